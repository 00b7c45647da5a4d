//! A replica's supervisor: a small process of its own, so that the replica outlives its agent.
//!
//! The agent starts `shim supervise FOLDER SHIM…`, where `SHIM…` is the command line of the shim itself. That process
//! ([`supervise`]) keeps the logs and waits for the end; it starts `shim exec FOLDER PID` ([`exec`]), which puts itself
//! in the right session and control groups and becomes the program. All they need is in the replica's folder, so
//! neither knows of the agent nor needs it.
//!
//! A singleton's supervisor has a fence besides: a moment at which it kills the program, unless the agent puts it off.

mod exec;
mod fence;
mod log;
mod order;
mod supervise;

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use fence::put_off;
pub use log::LogLimits;
pub(crate) use log::{make_room, rotated};
pub(crate) use order::{ExitRecord, Outcome, ProcessRecord, ProgramOrder, RunOrder, SecretVariables};
pub(crate) use supervise::STARTED;

/// The status of a supervisor that could not do its work.
const FAILED: i32 = 70;

/// Runs as a supervisor; for the hidden subcommand that `AgentConfig::shim_command` names, with the arguments after it.
/// Returns the status to exit with.
pub fn shim_main(args: impl Iterator<Item = OsString>) -> i32 {
    let args: Vec<OsString> = args.collect();
    let words: Vec<Option<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    match words.as_slice() {
        [Some("supervise"), _, _, ..] => supervise::run(&PathBuf::from(&args[1]), &args[2..]),
        [Some("exec"), _, Some(parent)] => exec::run(&PathBuf::from(&args[1]), parent),
        _ => FAILED,
    }
}
