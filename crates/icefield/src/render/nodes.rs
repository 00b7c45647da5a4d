use console::style;
use icefield_api::{NodeState, NodeStatus};

use crate::render::Table;

/// A line for each node.
pub(crate) fn nodes(nodes: &[NodeStatus]) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["NODE", "STATE", "REPLICAS", "CPU", "MEMORY", "ADDRESS", "LABELS", "NOTE"]);
    for node in nodes {
        let state = match node.state {
            NodeState::Ready => style(node.state).green(),
            NodeState::Lost => style(node.state).red(),
            _ => style(node.state).yellow(),
        };
        // The name stands in its own column.
        let labels = node.labels.iter().filter(|(label, _)| *label != "node");
        let labels: Vec<String> = labels.map(|(label, value)| format!("{label}={value}")).collect();
        table.row([
            node.name.to_string(),
            state.to_string(),
            node.replicas.to_string(),
            format!("{} of {}", node.cpu_used, node.cpu),
            format!("{} of {}", node.memory_used, node.memory),
            node.address.clone().unwrap_or_default(),
            labels.join(" "),
            node.message.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}
