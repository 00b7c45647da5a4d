use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use icefield_nix::{Configuration, Nix, NixError};
use icefield_spec::{Bytes, Cpu, Name};

use crate::building::NixArguments;
use crate::command_error::CommandError;
use crate::imported::{Imported, name_of};
use crate::output;

/// Writes a declaration of the NixOS configurations that a flake has
///
/// Each of its `nixosConfigurations` becomes a node with a base of its own, which is that configuration: `icefield build`
/// and `apply` then bring the machine to what `nixos-rebuild --flake` would.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The flake: a folder, or a reference like github:me/infra
    #[arg(value_name = "FLAKE", default_value = ".")]
    flake: String,
    /// The file to write, which must not be there yet; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What the cluster is to be called; without it, after the flake
    #[arg(long, value_name = "NAME")]
    cluster: Option<Name>,
    /// The CPU to declare for each node
    #[arg(long, value_name = "CORES", default_value = "1")]
    cpu: Cpu,
    /// The memory to declare for each node
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: Bytes,
    #[command(flatten)]
    nix: NixArguments,
}

/// How many are evaluated at a time, by a process each that holds a whole NixOS in memory.
const AT_A_TIME: usize = 4;

pub(crate) fn run(arguments: &ImportArgs) -> Result<u8, CommandError> {
    let failed = |error: NixError| CommandError::new("cannot import").cause(error.to_string());
    let folder = folder(&arguments.flake)?;
    let flake = folder.as_ref().map_or_else(|| arguments.flake.clone(), |folder| folder.display().to_string());
    let nix = Nix::find(arguments.nix.config()).map_err(failed)?;
    let names = nix.configuration_names(&flake).map_err(failed)?;
    if names.is_empty() {
        return Err(CommandError::new(format!("{flake} has no nixosConfigurations")));
    }
    let mut configurations = BTreeMap::new();
    let mut failures = BTreeMap::new();
    for (name, answer) in evaluate(&nix, &flake, &names) {
        match answer {
            Ok(configuration) => drop(configurations.insert(name, configuration)),
            Err(error) => drop(failures.insert(name, error)),
        }
    }
    let found = configurations.len();
    let cluster = arguments.cluster.clone().or_else(|| name_of(last_part(&flake)));
    let imported = Imported {
        cluster: cluster.ok_or_else(|| CommandError::new("the cluster needs a name").hint("--cluster NAME"))?,
        flake: named(&arguments.flake, folder.as_deref(), arguments.out.as_deref())?,
        cpu: arguments.cpu,
        memory: arguments.memory,
        configurations,
        left_out: failures.keys().cloned().collect(),
    };
    if found > 0 {
        let text = imported.text().map_err(|reason| CommandError::new("cannot import").cause(reason))?;
        match &arguments.out {
            Some(path) => write(path, &text)?,
            None => output::print(&text)?,
        }
    }
    if failures.is_empty() {
        return Ok(0);
    }
    let count = format!("{} of {} configurations could not be evaluated", failures.len(), names.len());
    let error =
        if found > 0 { CommandError::new(format!("{count}; they are left out")) } else { CommandError::new(count) };
    Err(failures.values().fold(error, |error, failure| error.cause(failure.to_string())))
}

/// Evaluates all, several at a time: one that cannot be does not keep others from it.
fn evaluate(nix: &Nix, flake: &str, names: &[String]) -> Vec<(String, Result<Configuration, NixError>)> {
    let left = Mutex::new(names.iter());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..names.len().min(AT_A_TIME) {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(name) = next else { return };
                    let answer = nix.configuration(flake, name);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), answer));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Where the flake is, if it is on this machine.
fn folder(flake: &str) -> Result<Option<PathBuf>, CommandError> {
    let path = flake.strip_prefix("path:").unwrap_or(flake);
    // A name that is both a folder's and one of Nix's registry is the folder's.
    let is_folder = || Path::new(path).join("flake.nix").exists();
    if !(flake.starts_with("path:") || path.starts_with(['.', '/']) || is_folder()) {
        return Ok(None);
    }
    let found = std::fs::canonicalize(path);
    Ok(Some(found.map_err(|error| CommandError::because(format!("cannot read {path}"), &error))?))
}

/// How a declaration names the flake: relative to itself where the flake is in its folder or below it.
fn named(given: &str, folder: Option<&Path>, out: Option<&Path>) -> Result<String, CommandError> {
    let Some(folder) = folder else { return Ok(given.to_owned()) };
    let beside = match out.and_then(Path::parent) {
        Some(beside) if beside != Path::new("") => beside,
        _ => Path::new("."),
    };
    let beside = std::fs::canonicalize(beside)
        .map_err(|error| CommandError::because(format!("cannot read {}", beside.display()), &error))?;
    Ok(match folder.strip_prefix(&beside) {
        Ok(below) if below == Path::new("") => ".".to_owned(),
        Ok(below) => format!("./{}", below.display()),
        Err(_) => folder.display().to_string(),
    })
}

/// The last part of a path or a reference: `infra` of `github:me/infra?ref=main`.
fn last_part(flake: &str) -> &str {
    let path = flake.split_once('?').map_or(flake, |(path, _)| path);
    path.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default()
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let written =
        OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| CommandError::because(format!("cannot write {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_of_a_flake() {
        for flake in ["github:me/infra", "/srv/infra/", "git+ssh://host/me/infra?ref=main", "flake:infra"] {
            assert_eq!(last_part(flake), "infra");
        }
    }
}
