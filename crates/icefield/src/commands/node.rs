use clap::{Args, Subcommand};
use icefield_api::{Client, ClientError, ErrorCode, NodeAction, NodeStatus};
use icefield_spec::Name;
use serde_json::json;

use crate::cli::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Lists, cordons, drains or uncordons nodes
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
    Drain {
        /// The node
        node: Name,
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
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &NodeArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let runtime = connect::runtime()?;
    let (node, action) = match &arguments.command {
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
        NodeCommand::Drain { node } => (node, NodeAction::Drain),
        NodeCommand::Cordon { node } => (node, NodeAction::Cordon),
        NodeCommand::Uncordon { node } => (node, NodeAction::Uncordon),
    };
    let status = runtime.block_on(ask(&client, node, action))?;
    output::line(&format!("node {} is {}", status.name, status.state))?;
    Ok(0)
}

async fn ask(client: &Client, node: &Name, action: NodeAction) -> Result<NodeStatus, CommandError> {
    match client.node(node, action).await {
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
