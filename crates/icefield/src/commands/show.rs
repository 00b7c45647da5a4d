use std::fmt::Write as _;

use clap::Args;
use icefield_emit::{EmitError, Emitter, File, Target};
use icefield_spec::Name;

use super::compile::targets;
use crate::args::ClusterArgs;
use crate::command_error::CommandError;
use crate::{connect, output};

/// Shows all that a node is, as files of a target
///
/// These are the files that `icefield compile` writes, for the generation that the node has now: what was built stands there by its path in the store. Each file begins with a line that names it.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The node
    node: Name,
    /// The form to show it in
    #[arg(long, value_parser = targets())]
    target: Target,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &ShowArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let node = &arguments.node;
    let (spec, generation) = connect::runtime()?.block_on(async {
        let spec = client.spec().await?;
        let generation = client.node_plan(node, None, connect::NOW).await?;
        Ok::<_, CommandError>((spec, generation))
    })?;
    let (Some(spec), Some(generation)) = (spec, generation) else {
        return Err(CommandError::new(format!("node {node} has no generation"))
            .hint("`icefield node list` shows the nodes there are"));
    };
    let plans = [generation.plan];
    let [plan] = &plans;
    let inexpressible = |error: EmitError| CommandError::new(error.to_string());
    let emitter = Emitter::new(arguments.target, &spec, &plans).map_err(inexpressible)?;
    let own = emitter.node(plan).map_err(inexpressible)?;
    let shared = emitter.shared().map_err(inexpressible)?;
    let is_of_node = |file: &File| match file.path.split_once('/') {
        Some(("services", rest)) => plan.replicas.keys().any(|id| is_of(rest, &id.service)),
        Some(("bases", rest)) => plan.base.as_ref().is_some_and(|base| is_of(rest, base)),
        Some(("endpoints", _)) => false,
        _ => file.path != "flake.nix",
    };
    let (common, shared): (Vec<File>, Vec<File>) =
        shared.into_iter().filter(is_of_node).partition(|file| file.path == "icefield.nix");
    let own = own.into_iter().filter(|file| !file.path.ends_with(".json"));
    let mut text = String::new();
    // What is the same for every node comes last.
    for file in own.chain(shared).chain(common) {
        let _ = writeln!(text, "### {}\n{}", file.path, file.text);
    }
    output::print(&text)?;
    Ok(0)
}

/// Whether a path belongs to what is called `name`: `web.nix`, `web.1234.nix`, `web/module.nix`.
fn is_of(path: &str, name: &Name) -> bool {
    path.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(['.', '/']))
}
