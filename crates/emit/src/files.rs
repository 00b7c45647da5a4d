//! Where the files of replicas are on a node. What is in them is made when a cluster is compiled; of those that are secrets,
//! only the place is named.

use icefield_spec::{ConfigFile, FileContent, FileMode, Name, Run, Unit, credential_name};

use crate::{EmitError, Target};

/// The folder of a replica's files.
pub(crate) fn folder(service: &Name, index: u32) -> String {
    format!("/etc/icefield/files/{service}-{index}")
}

/// The same below a folder of what is written: `path` is that of a file.
pub(crate) fn emitted(service: &Name, index: u32, path: &str) -> String {
    format!("{service}-{index}/{}", path.trim_start_matches('/'))
}

/// Where systemd puts the files that are secrets for the time that a replica runs.
pub(crate) fn credentials(service: &Name, index: u32) -> String {
    format!("/run/credentials/icefield-{service}@{index}.service")
}

/// The files of a unit that are secrets, each with where its value is taken from; who brings the units to a node sees to
/// that.
pub(crate) fn secret_files<'u>(service: &'u Name, unit: &'u Unit) -> impl Iterator<Item = (&'u str, String)> {
    unit.files.iter().filter_map(move |(path, file)| match &file.content {
        FileContent::Secret { secret } => Some((path.as_str(), format!("/run/icefield/secrets/{service}/{secret}"))),
        FileContent::Text { .. } | FileContent::Template { .. } => None,
    })
}

/// The files of a unit that are no secrets and have another mode than files have by themselves.
pub(crate) fn special_modes(unit: &Unit) -> impl Iterator<Item = (&str, FileMode)> {
    let plain = unit.files.iter().filter(|(_, file)| !is_secret(file) && file.mode != FileMode::DEFAULT);
    plain.map(|(path, file)| (path.as_str(), file.mode))
}

/// Where each file of a replica is on the node, whatever its path in a container is.
pub(crate) fn on_node(service: &Name, index: u32, unit: &Unit) -> impl Iterator<Item = (String, String)> {
    let (folder, credentials) = (folder(service, index), credentials(service, index));
    unit.files.iter().map(move |(path, file)| {
        let on_node = match is_secret(file) {
            true => format!("{credentials}/{}", credential_name(path)),
            false => format!("{folder}/{}", path.trim_start_matches('/')),
        };
        (path.clone(), on_node)
    })
}

/// Checks that what is in the files of a service is known when it is compiled, and can be given to it.
pub(crate) fn check(service: &Name, unit: &Unit, target: Target) -> Result<(), EmitError> {
    for (path, file) in &unit.files {
        let (service, file_path) = (service.clone(), path.clone());
        if let Some(peer) = file.peers().into_iter().next() {
            return Err(EmitError::Peers { service, file: file_path, peer, target });
        }
        if let (false, Some(secret)) = (is_secret(file), file.secrets().into_iter().next()) {
            return Err(EmitError::SecretInTemplate { service, file: file_path, secret });
        }
        let is_within = matches!(unit.run, Run::Microvm { .. });
        if is_within || (is_secret(file) && matches!(unit.run, Run::Nixos { .. })) {
            return Err(EmitError::File { service, file: file_path, kind: unit.run.kind() });
        }
    }
    Ok(())
}

fn is_secret(file: &ConfigFile) -> bool {
    matches!(file.content, FileContent::Secret { .. })
}
