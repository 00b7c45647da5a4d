//! The command `icefield`: the one place where the parts are put together.
//!
//! Each subcommand is a file of `commands`; `dev` runs a whole cluster on this machine; `render` turns answers into
//! text. Libraries print nothing and read no environment: all of that happens here.

mod args;
mod artefacts;
mod builders;
mod building;
mod cli;
mod command_error;
mod commands;
mod connect;
mod dev;
mod home;
mod imported;
mod login_file;
mod open_files;
mod output;
mod progress;
mod render;
mod saved_plan;
mod source;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::command_error::CommandError;

/// A leader of thousands of agents allocates and frees all the time, of which the system's allocator makes twice the work and
/// gives less memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A shim stands by every replica's process, so it starts before anything that would cost memory.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == *"shim") {
        return exit_code(icefield_agent::shim_main(arguments));
    }
    match Cli::try_parse() {
        Ok(cli) => finish(cli.run()),
        Err(error) => {
            let _ = error.print();
            // Not clap's own 2: that means "there are changes" (see `icefield plan`).
            let told = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            exit_code(if told { 0 } else { 1 })
        }
    }
}

/// The command that runs another part of this very binary.
fn own_binary() -> OsString {
    // The link stays true when the file is replaced under a running process, as an upgrade does.
    std::env::current_exe().map_or_else(|_| "/proc/self/exe".into(), Into::into)
}

fn finish(result: Result<u8, CommandError>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::report(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
