use clap::Args;
use icefield_api::{Client, PastGeneration};
use icefield_spec::Name;
use serde_json::json;

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows what differs between two generations of a node: its system, its replicas, packages, and sizes
///
/// Agents keep their last twenty generations. What packages a system has is known as long as it is in the node's store.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The node
    node: Name,
    /// The number of one generation; `icefield node history` and `icefield events` name them
    #[arg(value_name = "GEN1")]
    old: u64,
    /// The number of another one
    #[arg(value_name = "GEN2")]
    new: u64,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &DiffArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let (old, new) = connect::runtime()?.block_on(both(&client, arguments))?;
    let plans = icefield_plan::diff(&old.generation.plan, &new.generation.plan);
    if arguments.json.json {
        let size = |one: &PastGeneration| one.closure.as_ref().map(|closure| closure.values().sum::<u64>());
        output::json(&json!({
            "schema": old.schema,
            "node": arguments.node,
            "plan": plans,
            "closures": [old.closure, new.closure],
            "sizes": [size(&old), size(&new)],
        }))?;
    } else {
        output::print(&render::generation_diff(&old, &new, &plans))?;
    }
    Ok(0)
}

async fn both(client: &Client, arguments: &DiffArgs) -> Result<(PastGeneration, PastGeneration), CommandError> {
    let old = client.node_generation(&arguments.node, arguments.old).await?;
    let new = client.node_generation(&arguments.node, arguments.new).await?;
    Ok((old, new))
}
