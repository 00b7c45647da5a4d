//! What a replica's unit starts.

use std::collections::BTreeMap;

use icefield_spec::{InvalidReference, Name, Run, Unit, expand};

use super::word::is_plain_path;
use crate::EmitError;
use crate::package::Package;
use crate::replica::ENDPOINTS;
use crate::{files, secrets, volumes};

/// Where Nix puts itself on a Linux that it did not come with, then what systemd gives by default.
pub(super) const NIX_PATH: &str =
    "/nix/var/nix/profiles/default/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program and its arguments, with every reference expanded.
///
/// What is not a plain absolute path is found by `env`, because systemd looks for programs on a path of its own and not
/// on the unit's.
pub(super) fn argv(
    service: &Name,
    index: u32,
    unit: &Unit,
    system: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<String>, EmitError> {
    let expanded = |argument: &String| expand(argument, &|name| variables.get(name).cloned());
    let command: Result<Vec<String>, InvalidReference> = unit.run.command().iter().map(expanded).collect();
    let command = command.map_err(|source| EmitError::Reference {
        service: service.clone(),
        place: "the command".into(),
        source,
    })?;
    match &unit.run {
        Run::Container { image, .. } => Ok(podman(service, index, unit, image, variables, command)),
        Run::Nix { package, closures, .. } => nix(service, &Package::of(service, package, closures)?, system, command),
        _ if command.first().is_some_and(|program| is_plain_path(program)) => Ok(command),
        _ => Ok(std::iter::once("/usr/bin/env".to_owned()).chain(command).collect()),
    }
}

/// The command that removes what is left of a container.
pub(super) fn remove_container(service: &Name, index: u32) -> Vec<String> {
    let words = ["/usr/bin/env", "podman", "rm", "--force", "--ignore"];
    words.map(str::to_owned).into_iter().chain([container_name(service, index)]).collect()
}

fn container_name(service: &Name, index: u32) -> String {
    format!("icefield-{service}-{index}")
}

/// The variables are arguments, not podman's own environment, which they could disturb; the container stays in the
/// unit's control group, so that the unit's limits hold.
fn podman(
    service: &Name,
    index: u32,
    unit: &Unit,
    image: &str,
    variables: &BTreeMap<String, String>,
    command: Vec<String>,
) -> Vec<String> {
    let mut argv: Vec<String> = ["/usr/bin/env", "podman", "run"].map(str::to_owned).into();
    argv.push(format!("--name={}", container_name(service, index)));
    argv.extend(["--replace", "--rm", "--cgroups=split", "--network=host"].map(str::to_owned));
    argv.extend(variables.iter().map(|(name, value)| format!("--env={name}={value}")));
    if !unit.secret_env.is_empty() {
        argv.push(format!("--env-file={}", secrets::environment_file(service)));
    }
    for used in &unit.uses {
        let file = format!("{ENDPOINTS}/{used}.json");
        argv.push(format!("--volume={file}:{file}:ro"));
    }
    argv.extend(files::on_node(service, index, unit).map(|(path, on_node)| format!("--volume={on_node}:{path}:ro")));
    argv.extend(volumes::paths(service, index, unit).map(|path| format!("--volume={path}:{path}")));
    argv.push(image.to_owned());
    argv.extend(command);
    argv
}

/// What was built is run from its closure. Else a unit cannot know where in the store a package will be, so Nix is asked at
/// each start; it builds or fetches the package at the first.
fn nix(
    service: &Name,
    package: &Package<'_>,
    system: &str,
    mut command: Vec<String>,
) -> Result<Vec<String>, EmitError> {
    let installable = match package {
        Package::Built { closures } => {
            let Some(closure) = closures.get(system) else {
                let reason = "was not built for the system of a node that it is on";
                let program = command.swap_remove(0);
                return Err(EmitError::Program { service: service.clone(), program, reason });
            };
            if let Some(program) = command.first_mut().filter(|program| !program.starts_with('/')) {
                let folder = if program.contains('/') { "" } else { "bin/" };
                *program = format!("{closure}/{folder}{program}");
            }
            return Ok(command);
        }
        Package::Nixpkgs { attributes } => format!("nixpkgs#{}", attributes.join(".")),
        Package::Flake { url, attributes } => format!("{url}#{}", attributes.join(".")),
    };
    if let Some(program) = command.first().filter(|program| program.contains('/') && !program.starts_with('/')) {
        return Err(EmitError::Program {
            service: service.clone(),
            program: program.clone(),
            reason: "is a path within its package, which the target systemd cannot know; name a program of its bin \
                     folder, or use the target nix",
        });
    }
    let nix = ["/usr/bin/env", "nix", "--extra-experimental-features", "nix-command flakes", "shell"];
    let argv = nix.map(str::to_owned).into_iter().chain([installable, "--command".to_owned()]);
    Ok(argv.chain(command).collect())
}
