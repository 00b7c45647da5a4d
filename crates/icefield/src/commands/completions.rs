use clap::{Args, Command};
use clap_complete::Shell;

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

/// `command` is the one that is completed.
pub(crate) fn run(arguments: &CompletionsArgs, mut command: Command) -> Result<u8, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "icefield", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
