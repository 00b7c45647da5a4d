use clap::Args;

use crate::cli::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows the specs that were put in force, newest first
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &HistoryArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let history = connect::runtime()?.block_on(client.history())?;
    if arguments.json.json {
        output::json(&history)?;
    } else {
        output::print(&render::history(&history))?;
    }
    Ok(0)
}
