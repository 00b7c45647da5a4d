//! `icefield cache`: one file for each of its subcommands.

mod gc;
mod info;
mod key;
mod push;
mod serve;
mod source;
mod verify;

use clap::{Args, Subcommand};

use crate::command_error::CommandError;

/// Serves, fills and looks after a Nix binary cache
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    Serve(Box<serve::ServeArgs>),
    Push(push::PushArgs),
    Gc(gc::GcArgs),
    Verify(verify::VerifyArgs),
    Info(info::InfoArgs),
    Key(key::KeyArgs),
}

pub(crate) fn run(arguments: CacheArgs) -> Result<u8, CommandError> {
    match arguments.command {
        CacheCommand::Serve(arguments) => serve::run(*arguments),
        CacheCommand::Push(arguments) => push::run(arguments),
        CacheCommand::Gc(arguments) => gc::run(&arguments),
        CacheCommand::Verify(arguments) => verify::run(&arguments),
        CacheCommand::Info(arguments) => info::run(&arguments),
        CacheCommand::Key(arguments) => key::run(&arguments),
    }
}
