use console::style;
use icefield_api::{NodeState, NodeStatus, SystemState};

use crate::render::Table;

/// What there is to say of a node: its own message, how far it is with its system, and what is not as it should be.
fn note(node: &NodeStatus) -> String {
    let mut parts: Vec<String> = node.message.iter().cloned().collect();
    if let Some(system) = &node.system {
        let state = system.state;
        if let Some(path) = system.system.as_ref().filter(|_| !matches!(state, SystemState::Active | SystemState::Idle))
        {
            let because = if system.message.is_empty() { String::new() } else { format!(" ({})", system.message) };
            parts.push(format!("{}: {state}{because}", path.short()));
        }
        parts.extend(system.drift.iter().map(|drift| format!("drift: {drift}")));
    }
    parts.join("; ")
}

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
            note(node),
        ]);
    }
    table.render()
}
