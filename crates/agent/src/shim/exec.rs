use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal, setsid};

use zeroize::Zeroizing;

use super::{FAILED, RunOrder, SecretVariables};
use crate::home::ReplicaHome;
use crate::record;

/// The shell's status for a program that cannot be executed.
const NOT_EXECUTED: i32 = 127;

/// Becomes the program that the replica in `folder` runs. Only returns if it cannot.
pub(super) fn run(folder: &Path, parent: &str) -> i32 {
    let home = ReplicaHome::new(folder);
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err() || setsid().is_err() {
        return FAILED;
    }
    // The signal is only sent for an end after it was asked for.
    if getppid().is_none_or(|pid| pid.as_raw_nonzero().to_string() != parent) {
        return FAILED;
    }
    let message = match record::read::<RunOrder>(&home.run()) {
        Ok(Some(order)) => become_program(&order),
        Ok(None) => format!("{} is gone", home.run().display()),
        Err(error) => error.to_string(),
    };
    // Where this cannot be written, the status alone must tell.
    let _ = std::fs::write(home.start_error(), message);
    NOT_EXECUTED
}

fn become_program(order: &RunOrder) -> String {
    for group in &order.groups {
        if let Err(error) = join(group) {
            return format!("cannot join the control group {}: {error}", group.display());
        }
    }
    let program = &order.program;
    let name = program.arguments.first().cloned().unwrap_or_default();
    if let Err(error) = std::env::set_current_dir(&program.folder) {
        return format!("cannot enter the folder {}: {error}", program.folder.display());
    }
    let secret = match order.secret.as_ref().map(secret_variables).transpose() {
        Ok(secret) => secret.unwrap_or_default(),
        Err(message) => return message,
    };
    let error = Command::new(&program.program)
        .arg0(&name)
        .args(program.arguments.iter().skip(1))
        .env_clear()
        .envs(&program.environment)
        .envs(secret.iter().map(|(name, value)| (name, value.as_str())))
        .exec();
    format!("{name}: cannot execute {}: {error}", program.program.display())
}

/// The variables that are secrets; the file that they are in goes.
fn secret_variables(secret: &SecretVariables) -> Result<BTreeMap<String, Zeroizing<String>>, String> {
    // What is wrong with it might tell something of what is in it.
    let read = record::read(&secret.file).map_err(|_| format!("{} cannot be read", secret.file.display()));
    let gone = record::delete(&secret.file).map_err(|error| error.to_string());
    let variables: BTreeMap<String, String> =
        gone.and(read)?.ok_or_else(|| "its secret variables are gone; it is started anew".to_owned())?;
    Ok(variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
}

/// `0` stands for the process that writes it.
fn join(group: &Path) -> std::io::Result<()> {
    std::fs::write(group.join("cgroup.procs"), "0")
}
