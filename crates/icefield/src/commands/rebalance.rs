use std::time::{Duration, Instant};

use clap::Args;
use console::{Term, style};
use icefield_api::{Client, RebalanceProposal, RebalanceRequest, RebalanceStart};
use icefield_spec::Millis;

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::commands::apply;
use crate::render::LiveText;
use crate::{connect, output, render};

/// Looks for a better layout, and moves replicas to it
///
/// Shows what the layout costs now, what it would cost and which replicas would move; asks, and follows until all is healthy. The moves are carried out by the cluster, a few at a time: no service has more replicas unavailable than its `max_unavailable`. Ctrl-C while following leaves the cluster at work; --stop ends it. With --json it prints the proposal and does nothing more.
#[derive(Debug, Args)]
pub(crate) struct RebalanceArgs {
    /// Look for so long; at most 60
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=RebalanceRequest::LONGEST))]
    seconds: u64,
    /// Move so many replicas at most [default: a tenth of them, and at least 10]
    #[arg(long, value_name = "N")]
    moves: Option<u32>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Do not follow
    #[arg(long)]
    no_wait: bool,
    /// Follow for so long at most
    #[arg(long, value_name = "TIME", default_value = "10m")]
    timeout: Millis,
    /// End the rebalancing that is under way; replicas that have moved stay where they are
    #[arg(long, exclusive = true)]
    stop: bool,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &RebalanceArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        if arguments.stop {
            client.rebalance_stop().await?;
            output::line("nothing is being rebalanced any more")?;
            return Ok(0);
        }
        let request = RebalanceRequest { seconds: Some(arguments.seconds), moves: arguments.moves };
        let proposal = client.rebalance(&request).await?;
        if arguments.json.json {
            output::json(&proposal)?;
            return Ok(0);
        }
        output::print(&render::proposal(&proposal))?;
        if proposal.changes.is_empty() {
            return Ok(0);
        }
        if !arguments.yes && !apply::confirmed("Rebalance?")? {
            return Err(CommandError::new("not rebalanced"));
        }
        start(&client, proposal, arguments).await
    })
}

async fn start(client: &Client, proposal: RebalanceProposal, arguments: &RebalanceArgs) -> Result<u8, CommandError> {
    // Its end is told by an event after those that there are now.
    let events = client.events(None, connect::NOW).await?.events;
    let last = events.last().map_or(0, |event| event.number);
    let RebalanceProposal { version, changes, .. } = proposal;
    client.rebalance_start(&RebalanceStart { version, changes }).await?;
    if arguments.no_wait {
        output::line("started; `icefield status` shows how far it is")?;
        return Ok(0);
    }
    follow(client, last, arguments.timeout.duration()).await
}

async fn follow(client: &Client, last: u64, limit: Duration) -> Result<u8, CommandError> {
    let start = Instant::now();
    let mut live = LiveText::new(Term::stdout());
    let mut seen = None;
    loop {
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            let message = format!("not all replicas have moved after {:.1} s", limit.as_secs_f64());
            return Err(CommandError::new(message).hint("the cluster goes on; `icefield rebalance --stop` ends it"));
        }
        let status = match client.status(seen, left.min(Duration::from_secs(1))).await {
            Ok(status) => status,
            Err(error) if error.is_passing() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        seen = Some(status.index);
        if let Some(rebalance) = status.rebalance {
            let done = rebalance.moves.saturating_sub(rebalance.left);
            live.show(&format!("{} {done} of {} moves done\n", style("…").yellow(), rebalance.moves))?;
            continue;
        }
        live.show("")?;
        let events = client.events(Some(last), connect::NOW).await?.events;
        let end = events.iter().rev().find(|event| event.subject == "rebalance");
        let message = end.map_or_else(|| "ended".to_owned(), |event| event.message.clone());
        output::line(&format!("rebalance {message}"))?;
        let Some(revision) = status.revision else { return Ok(0) };
        let followed = apply::follow(client, &revision, true, left, &mut live).await?;
        return Ok(if message.starts_with("done") { followed } else { 1 });
    }
}
