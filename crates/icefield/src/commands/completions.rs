use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::command_error::CommandError;
use crate::output;

/// Prints a completion script for a shell
///
/// For example: icefield completions bash > /etc/bash_completion.d/icefield
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArgs) -> Result<u8, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "icefield", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
