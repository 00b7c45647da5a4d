use clap::Args;
use icefield_api::{NodeState, NodeStatus};
use icefield_nix::NixConfig;
use icefield_spec::Spec;

use crate::args::ClusterArgs;
use crate::command_error::CommandError;
use crate::connect;

/// Which nodes of a cluster build.
#[derive(Debug, Clone, Args)]
pub(crate) struct BuildersArgs {
    /// Build on the nodes of the cluster that have this label: as `--builder ssh-ng://ADDRESS` for each that is ready
    #[arg(long, value_name = "LABEL=VALUE", value_parser = label)]
    builders: Option<(String, String)>,
}

impl BuildersArgs {
    /// The machines, as `nix --builders` has them; none if no label is named. `folder` is that of the store which is built for.
    pub(crate) fn find(&self, cluster: &ClusterArgs, folder: &str) -> Result<Vec<String>, CommandError> {
        let Some((label, value)) = &self.builders else { return Ok(Vec::new()) };
        let client = connect::require(cluster)?;
        let (status, spec) = connect::runtime()?.block_on(async {
            Ok::<_, CommandError>((client.status(None, connect::NOW).await?, client.spec().await?))
        })?;
        let found = machines(&status.nodes, spec.as_ref(), (label, value), folder);
        if found.is_empty() {
            return Err(CommandError::new(format!("no node that is ready has the label {label}={value}"))
                .hint("`icefield node list --json` shows the labels of all; without --builders it is built here"));
        }
        Ok(found)
    }
}

/// The nodes that are ready and have the label, each with its system and how many builds it takes at once.
fn machines(nodes: &[NodeStatus], spec: Option<&Spec>, (label, value): (&str, &str), folder: &str) -> Vec<String> {
    // Nix takes a machine's store to be of the usual folder, unless it is told.
    let store = if folder == NixConfig::USUAL_FOLDER { String::new() } else { format!("?store={folder}") };
    let able = nodes
        .iter()
        .filter(|node| node.state == NodeState::Ready && node.labels.get(label).is_some_and(|is| is == value));
    let line = |node: &NodeStatus| {
        let machine = spec?.fleet_node(node.name.as_str())?.machine;
        let at_once = (machine.cpu.millis() / 1000).max(1);
        Some(format!("ssh-ng://{}{store} {} - {at_once}", node.address.as_deref()?, machine.system))
    };
    able.filter_map(line).collect()
}

fn label(text: &str) -> Result<(String, String), String> {
    let found = text.split_once('=').filter(|(label, _)| !label.is_empty());
    let (label, value) = found.ok_or("write a label with its value, like role=builder")?;
    Ok((label.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_nodes_with_the_label_that_are_ready_build() {
        let node = |name: &str, state: &str, role: &str| {
            json!({
                "name": name, "state": state, "labels": {"role": role}, "address": format!("10.0.0.{}", name.len()),
                "cpu": "4", "cpu_used": "0", "memory": "1GiB", "memory_used": "0", "replicas": 0, "generation": 0,
            })
        };
        let nodes = json!([node("a", "ready", "builder"), node("bb", "lost", "builder"), node("ccc", "ready", "web")]);
        let nodes: Vec<NodeStatus> = serde_json::from_value(nodes).unwrap();
        let machine = json!({"machine": {"cpu": "4", "memory": "1GiB", "system": "aarch64-linux"}});
        let spec = json!({"schema": 1, "cluster": "shop", "nodes": {"a": machine, "bb": machine, "ccc": machine}});
        let spec: Spec = serde_json::from_value(spec).unwrap();
        let found = |value, folder| machines(&nodes, Some(&spec), ("role", value), folder);
        assert_eq!(found("builder", "/nix/store"), ["ssh-ng://10.0.0.1 aarch64-linux - 4"]);
        assert_eq!(found("builder", "/x/store"), ["ssh-ng://10.0.0.1?store=/x/store aarch64-linux - 4"]);
        assert!(found("none", "/nix/store").is_empty());
        assert!(label("role").is_err() && label("=x").is_err());
    }
}
