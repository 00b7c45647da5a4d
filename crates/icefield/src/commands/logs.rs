use clap::Args;
use console::{Color, Style};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use icefield_api::{Client, JobStatus, SCHEMA};
use icefield_spec::Name;
use serde_json::json;

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::commands::explain::service_or_replica;
use crate::commands::status::unknown_service;
use crate::{connect, output};

/// Shows what replicas wrote, wherever they run
///
/// That is standard output and standard error together. With --json, one line for each line they wrote.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// A service, or one replica of it: web or web/3
    #[arg(value_name = "SERVICE[/N]")]
    what: String,
    /// Keep showing what is added until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only so many of the last lines of each replica
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<u32>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    stale: StaleArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &LogsArgs) -> Result<u8, CommandError> {
    let (service, index) = service_or_replica(&arguments.what)?;
    let client = connect::require_to_read(cluster, arguments.stale)?;
    connect::runtime()?.block_on(async {
        let mut indexes = placed(&client, &service, index).await?;
        if let Some(index) = index {
            indexes.retain(|placed| *placed == index);
            if indexes.is_empty() {
                return Err(CommandError::new(format!("no node has {service}/{index}"))
                    .hint(format!("`icefield status {service}` shows its replicas")));
            }
        }
        let style = match (arguments.json.json, indexes.len()) {
            (true, _) => LineStyle::Json,
            (false, 1) => LineStyle::Plain,
            (false, _) => LineStyle::Named,
        };
        if arguments.follow {
            let mut all: FuturesUnordered<_> =
                indexes.into_iter().map(|index| show(&client, &service, index, arguments, style)).collect();
            while let Some(result) = all.next().await {
                result?;
            }
        } else {
            for index in indexes {
                show(&client, &service, index, arguments, style).await?;
            }
        }
        Ok(0)
    })
}

/// The indexes of the replicas that are on a node.
async fn placed(client: &Client, service: &Name, index: Option<u32>) -> Result<Vec<u32>, CommandError> {
    let status = client.status(None, connect::NOW).await?;
    if let Some(job) = status.jobs.iter().find(|job| job.name == *service) {
        // An earlier attempt is known by its number alone.
        return Ok(index.map_or_else(|| attempts(job), |index| vec![index]));
    }
    let names = status.services.iter().map(|known| known.name.as_str());
    let known = status.services.iter().find(|known| known.name == *service);
    let known = known.ok_or_else(|| unknown_service(service.as_str(), names))?;
    Ok(known.replicas.iter().filter(|replica| replica.node.is_some()).map(|replica| replica.index).collect())
}

/// The attempts of a job's newest run that were on a node.
fn attempts(job: &JobStatus) -> Vec<u32> {
    let run = job.run.iter().chain(&job.last).find(|run| !run.attempts.is_empty());
    let attempts = run.into_iter().flat_map(|run| &run.attempts);
    attempts.filter(|attempt| attempt.node.is_some()).map(|attempt| attempt.index).collect()
}

/// How a line is shown.
#[derive(Debug, Clone, Copy)]
enum LineStyle {
    /// As the replica wrote it.
    Plain,
    /// Behind the replica's name.
    Named,
    /// As JSON, with the replica's name.
    Json,
}

impl LineStyle {
    fn show(self, service: &Name, index: u32, line: &[u8]) -> String {
        const COLOURS: [Color; 5] = [Color::Cyan, Color::Green, Color::Yellow, Color::Magenta, Color::Blue];
        let text = String::from_utf8_lossy(line);
        match self {
            Self::Plain => text.into_owned(),
            Self::Named => {
                let colour = Style::new().fg(COLOURS[index as usize % COLOURS.len()]);
                format!("{} {text}", colour.apply_to(format!("{service}/{index}")))
            }
            Self::Json => {
                json!({ "schema": SCHEMA, "replica": format!("{service}/{index}"), "line": text }).to_string()
            }
        }
    }
}

/// Shows one replica's log line by line, so that lines of several replicas never mix.
async fn show(
    client: &Client,
    service: &Name,
    index: u32,
    arguments: &LogsArgs,
    style: LineStyle,
) -> Result<(), CommandError> {
    let stream = client.logs(service, index, arguments.tail, arguments.follow).await?;
    let mut stream = std::pin::pin!(stream);
    let mut pending: Vec<u8> = Vec::new();
    while let Some(chunk) = stream.next().await {
        let broken = |error| CommandError::because(format!("the log of {service}/{index} broke off"), &error);
        pending.extend_from_slice(&chunk.map_err(broken)?);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            output::line(&style.show(service, index, &line[..end]))?;
        }
    }
    if !pending.is_empty() {
        output::line(&style.show(service, index, &pending))?;
    }
    Ok(())
}
