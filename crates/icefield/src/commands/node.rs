use std::time::Duration;

use clap::{Args, Subcommand};
use icefield_api::{Client, ClientError, ErrorCode, NodeAction, NodeHistory, NodeState, NodeStatus};
use icefield_spec::Name;
use serde_json::json;

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Lists, cordons, drains, uncordons, rolls back or removes nodes
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    command: NodeCommand,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// List the nodes
    List {
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        stale: StaleArgs,
    },
    /// Let all replicas leave a node, and place no new ones there
    ///
    /// They leave as many at a time as their services can spare (`max_unavailable`), each once there is room for it
    /// elsewhere. Replicas with volumes and those of daemons are stopped.
    Drain {
        /// The node
        node: Name,
        /// Follow it until nothing runs on the node any more
        #[arg(long)]
        wait: bool,
    },
    /// Place no new replicas on a node; it keeps those it has
    Cordon {
        /// The node
        node: Name,
    },
    /// Place replicas on a node again
    Uncordon {
        /// The node
        node: Name,
    },
    /// Show the NixOS systems that a node was asked for, and what became of each
    History {
        /// The node
        node: Name,
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        stale: StaleArgs,
    },
    /// Have a node go back to the NixOS system that it ran well before
    ///
    /// It stays there until its base gets another system. `icefield rollout undo base/NAME` goes back with all nodes.
    Rollback {
        /// The node
        node: Name,
    },
    /// Forget a node that is lost, or drained and empty
    ///
    /// What replicas had in volumes on it is given up: they start with empty ones elsewhere. The node joins again when
    /// its agent is started anew.
    Remove {
        /// The node
        node: Name,
        /// However it stands: its replicas go elsewhere at once
        #[arg(long)]
        force: bool,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &NodeArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let runtime = connect::runtime()?;
    let (node, action, wait) = match &arguments.command {
        NodeCommand::List { json, stale } => {
            let status = runtime.block_on(client.stale(stale.stale).status(None, connect::NOW))?;
            if json.json {
                let mut answer = json!({ "schema": status.schema, "nodes": status.nodes });
                if let Some(stale) = &status.stale {
                    answer["stale"] = json!(stale);
                }
                output::json(&answer)?;
            } else {
                output::print(&render::nodes(&status.nodes))?;
                connect::tell_stale(status.stale.as_ref());
            }
            return Ok(0);
        }
        NodeCommand::History { node, json, stale } => {
            let history = runtime.block_on(history(&client.stale(stale.stale), node))?;
            if json.json {
                output::json(&history)?;
            } else {
                output::print(&render::node_history(&history))?;
                connect::tell_stale(history.stale.as_ref());
            }
            return Ok(0);
        }
        NodeCommand::Rollback { node } => (node, NodeAction::Rollback, false),
        NodeCommand::Drain { node, wait } => (node, NodeAction::Drain, *wait),
        NodeCommand::Cordon { node } => (node, NodeAction::Cordon, false),
        NodeCommand::Uncordon { node } => (node, NodeAction::Uncordon, false),
        NodeCommand::Remove { node, force: false } => (node, NodeAction::Remove, false),
        NodeCommand::Remove { node, force: true } => (node, NodeAction::ForceRemove, false),
    };
    let status = runtime.block_on(ask(&client, node, action))?;
    match action {
        NodeAction::Remove | NodeAction::ForceRemove => output::line(&format!("node {node} is removed"))?,
        NodeAction::Rollback => {
            output::line(&format!("node {node} goes back; `icefield node history {node}` shows what became of it"))?
        }
        _ if status.state == NodeState::Undeclared => {
            output::line(&format!("node {node} takes note of that; no spec declares it, so nothing is placed there"))?;
            return Ok(0);
        }
        _ => output::line(&format!("node {} is {}", status.name, status.state))?,
    }
    if wait { runtime.block_on(follow(&client, node)) } else { Ok(0) }
}

/// Follows a node that drains until nothing is left on it.
async fn follow(client: &Client, node: &Name) -> Result<u8, CommandError> {
    /// How long to wait for a change before asking anew.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// How long to wait before asking again when no server answered.
    const PAUSE: Duration = Duration::from_millis(500);
    let (mut seen, mut told) = (None, None);
    loop {
        let status = match client.status(seen, PATIENCE).await {
            Err(error) if error.is_passing() => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            status => status?,
        };
        seen = Some(status.index);
        let found = status.nodes.iter().find(|one| one.name == *node);
        let Some(found) = found.filter(|one| matches!(one.state, NodeState::Draining | NodeState::Suspect)) else {
            let stands = found.map_or("gone".to_owned(), |one| one.state.to_string());
            return Err(CommandError::new(format!("node {node} is {stands} by now, so its drain is not followed")));
        };
        let rows = status.services.iter().flat_map(|service| {
            let here = service.replicas.iter().filter(|row| row.node.as_ref() == Some(node));
            here.map(|row| format!("{}/{}", service.name, row.index))
        });
        let left: Vec<String> = rows.collect();
        let told_all = found.applied.is_some_and(|applied| applied >= found.generation);
        if left.is_empty() && found.replicas == 0 && told_all {
            output::line(&format!("node {node} is empty"))?;
            return Ok(0);
        }
        let line = match (left.len() as u64, found.replicas) {
            (0, 0) => "nothing left, but the node has not taken that up yet".to_owned(),
            (0, jobs) => format!("{} of a job left, to its end", render::count(jobs.into(), "attempt")),
            (services, _) => format!("{} left: {}", render::count(services, "replica"), left.join(", ")),
        };
        if told.as_ref() != Some(&line) {
            output::line(&line)?;
            told = Some(line);
        }
    }
}

async fn ask(client: &Client, node: &Name, action: NodeAction) -> Result<NodeStatus, CommandError> {
    explained(client, node, client.node(node, action).await).await
}

async fn history(client: &Client, node: &Name) -> Result<NodeHistory, CommandError> {
    explained(client, node, client.node_history(node).await).await
}

/// An answer, or an error with what might have been meant if there is no such node.
async fn explained<T>(client: &Client, node: &Name, answer: Result<T, ClientError>) -> Result<T, CommandError> {
    match answer {
        Err(ClientError::Refused(body)) if body.code == ErrorCode::NotFound => {
            let status = client.status(None, connect::NOW).await?;
            let error = CommandError::new(body.message);
            Err(match icefield_spec::nearest(node.as_str(), status.nodes.iter().map(|node| node.name.as_str())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("`icefield node list` shows the nodes"),
            })
        }
        answer => Ok(answer?),
    }
}
