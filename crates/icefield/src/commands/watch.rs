use std::time::Duration;

use clap::Args;
use console::Term;

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::render::LiveText;
use crate::{connect, output, render};

/// Shows what is true, live
///
/// It is drawn anew whenever it changes, until Ctrl-C. With --json, one line for each change.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    stale: StaleArgs,
}

/// How long to wait for a change before asking anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before asking again when no server answered.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn run(cluster: &ClusterArgs, arguments: &WatchArgs) -> Result<u8, CommandError> {
    let client = connect::require_to_read(cluster, arguments.stale)?;
    connect::runtime()?.block_on(async {
        let mut live = LiveText::new(Term::stdout());
        let mut seen = None;
        loop {
            let status = match client.status(seen, PATIENCE).await {
                Err(error) if seen.is_some() && error.is_passing() => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                status => status?,
            };
            if seen == Some(status.index) {
                continue;
            }
            seen = Some(status.index);
            if arguments.json.json {
                let text = serde_json::to_string(&status)
                    .map_err(|error| CommandError::because("the answer cannot be written as JSON", &error))?;
                output::line(&text)?;
            } else {
                live.show(&render::status(&status, live.rows()))?;
            }
        }
    })
}
