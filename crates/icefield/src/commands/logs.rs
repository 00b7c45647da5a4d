use clap::Args;
use console::{Color, Style};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use icefield_api::Client;
use icefield_spec::Name;

use crate::cli::ClusterArgs;
use crate::command_error::CommandError;
use crate::commands::explain::service_or_replica;
use crate::commands::status::unknown_service;
use crate::{connect, output};

/// Shows what replicas wrote to standard output and standard error, wherever they run.
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
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &LogsArgs) -> Result<u8, CommandError> {
    let (service, index) = service_or_replica(&arguments.what)?;
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        let indexes = match index {
            Some(index) => vec![index],
            None => placed(&client, &service).await?,
        };
        let named = indexes.len() > 1;
        if arguments.follow {
            let mut all: FuturesUnordered<_> =
                indexes.into_iter().map(|index| show(&client, &service, index, arguments, named)).collect();
            while let Some(result) = all.next().await {
                result?;
            }
        } else {
            for index in indexes {
                show(&client, &service, index, arguments, named).await?;
            }
        }
        Ok(0)
    })
}

/// The indexes of the replicas that are on a node.
async fn placed(client: &Client, service: &Name) -> Result<Vec<u32>, CommandError> {
    let status = client.status(None, connect::NOW).await?;
    let names = status.services.iter().map(|known| known.name.as_str());
    let known = status.services.iter().find(|known| known.name == *service);
    let known = known.ok_or_else(|| unknown_service(service.as_str(), names))?;
    Ok(known.replicas.iter().filter(|replica| replica.node.is_some()).map(|replica| replica.index).collect())
}

/// Shows one replica's log line by line, so that lines of several replicas never mix.
async fn show(
    client: &Client,
    service: &Name,
    index: u32,
    arguments: &LogsArgs,
    named: bool,
) -> Result<(), CommandError> {
    const COLOURS: [Color; 5] = [Color::Cyan, Color::Green, Color::Yellow, Color::Magenta, Color::Blue];
    let prefix = match named {
        true => {
            let style = Style::new().fg(COLOURS[index as usize % COLOURS.len()]);
            format!("{} ", style.apply_to(format!("{service}/{index}")))
        }
        false => String::new(),
    };
    let stream = client.logs(service, index, arguments.tail, arguments.follow).await?;
    let mut stream = std::pin::pin!(stream);
    let mut pending: Vec<u8> = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.map_err(|error| CommandError::because(format!("the log of {service}/{index} broke off"), &error))?;
        pending.extend_from_slice(&chunk);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            output::print(&format!("{prefix}{}", String::from_utf8_lossy(&line)))?;
        }
    }
    if !pending.is_empty() {
        output::line(&format!("{prefix}{}", String::from_utf8_lossy(&pending)))?;
    }
    Ok(())
}
