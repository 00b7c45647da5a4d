use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal, setsid};

use super::{FAILED, RunOrder};
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
    let error = Command::new(&program.program)
        .arg0(&name)
        .args(program.arguments.iter().skip(1))
        .env_clear()
        .envs(&program.environment)
        .exec();
    format!("{name}: cannot execute {}: {error}", program.program.display())
}

/// `0` stands for the process that writes it.
fn join(group: &Path) -> std::io::Result<()> {
    std::fs::write(group.join("cgroup.procs"), "0")
}
