use clap::Args;

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows the specs that were put in force, newest first
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    stale: StaleArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &HistoryArgs) -> Result<u8, CommandError> {
    let client = connect::require_to_read(cluster, arguments.stale)?;
    let history = connect::runtime()?.block_on(client.history())?;
    if arguments.json.json {
        output::json(&history)?;
    } else {
        output::print(&render::history(&history))?;
        connect::tell_stale(history.stale.as_ref());
    }
    Ok(0)
}
