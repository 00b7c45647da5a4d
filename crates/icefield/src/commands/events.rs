use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows what happened
///
/// Oldest first: applies, placements with their reasons, failures, nodes lost and returned, and notes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    command: Option<EventsCommand>,
    /// Keep showing new ones until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    stale: StaleArgs,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Put a note of your own among them: a mark to find again
    Add {
        /// One line, of at most 1 KiB
        text: String,
    },
}

/// How long to wait for an event before asking anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before asking again when no server answered.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn run(cluster: &ClusterArgs, arguments: &EventsArgs) -> Result<u8, CommandError> {
    let client = connect::require_to_read(cluster, arguments.stale)?;
    connect::runtime()?.block_on(async {
        if let Some(EventsCommand::Add { text }) = &arguments.command {
            client.note(text).await?;
            return Ok(0);
        }
        let mut answer = client.events(None, connect::NOW).await?;
        let mut seen = answer.events.last().map_or(0, |event| event.number);
        if let Some(last) = arguments.last {
            answer.events.drain(..answer.events.len().saturating_sub(last));
        }
        if arguments.json.json && !arguments.follow {
            output::json(&answer)?;
            return Ok(0);
        }
        if !arguments.json.json {
            connect::tell_stale(answer.stale.as_ref());
        }
        // What is shown stays, so the column can only become wider.
        let mut width = 16;
        loop {
            width = answer.events.iter().map(|event| event.subject.chars().count()).fold(width, usize::max);
            for event in &answer.events {
                seen = event.number;
                if arguments.json.json {
                    let text = serde_json::to_string(event)
                        .map_err(|error| CommandError::because("an event cannot be written as JSON", &error))?;
                    output::line(&text)?;
                } else {
                    output::line(&render::event(event, width))?;
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
