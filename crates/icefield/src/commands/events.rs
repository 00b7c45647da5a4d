use std::time::Duration;

use clap::Args;

use crate::cli::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows what happened
///
/// Oldest first: applies, placements with their reasons, failures, nodes lost and returned.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Keep showing new ones until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    #[command(flatten)]
    json: JsonArgs,
}

/// How long to wait for an event before asking anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before asking again when no server answered.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn run(cluster: &ClusterArgs, arguments: &EventsArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        let mut answer = client.events(None, connect::NOW).await?;
        let mut seen = answer.events.last().map_or(0, |event| event.number);
        if let Some(last) = arguments.last {
            answer.events.drain(..answer.events.len().saturating_sub(last));
        }
        if arguments.json.json && !arguments.follow {
            output::json(&answer)?;
            return Ok(0);
        }
        loop {
            for event in &answer.events {
                seen = event.number;
                if arguments.json.json {
                    let text = serde_json::to_string(event)
                        .map_err(|error| CommandError::because("an event cannot be written as JSON", &error))?;
                    output::line(&text)?;
                } else {
                    output::line(&render::event(event))?;
                }
            }
            if !arguments.follow {
                return Ok(0);
            }
            answer = loop {
                match client.events(Some(seen), PATIENCE).await {
                    Err(error) if error.is_passing() => tokio::time::sleep(PAUSE).await,
                    answer => break answer?,
                }
            };
        }
    })
}
