use icefield_api::{BaseHistory, BaseStatus, NodeHistory, SystemState};
use icefield_spec::{Revision, StorePath};

use crate::render::Table;
use crate::render::event::time;
use crate::render::rollout::{phase, took};
use crate::render::rollout_state::rollout_state;

/// A line for each base whose nodes are to run a system.
pub(crate) fn bases(bases: &[BaseStatus]) -> String {
    if bases.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["BASE", "NODES", "SYSTEM", "ROLLOUT", "PHASE", "SINCE", "NOTE"]);
    for base in bases {
        let rollout = &base.rollout;
        table.row([
            base.name.to_string(),
            format!("{}/{}", base.updated, base.desired),
            base.system.short(),
            rollout_state(rollout.state).to_string(),
            phase(rollout).to_owned(),
            if rollout.since == 0 { String::new() } else { time(rollout.since, "%H:%M:%S") },
            rollout.message.clone(),
        ]);
    }
    table.render()
}

/// A line for each of a base's last rollouts.
pub(crate) fn base_history(history: &BaseHistory) -> String {
    let mut table = Table::new(["STARTED", "TOOK", "FROM", "TO", "OUTCOME", "WHY"]);
    let short = |revision: &Revision| history.systems.get(revision).map_or_else(|| revision.short(), StorePath::short);
    for entry in &history.rollouts {
        table.row([
            time(entry.started, "%Y-%m-%d %H:%M:%S"),
            took(entry),
            entry.from.as_ref().map(short).unwrap_or_default(),
            short(&entry.to),
            rollout_state(entry.state).to_string(),
            entry.message.clone(),
        ]);
    }
    table.render()
}

/// A line for each system that a node was asked for.
pub(crate) fn node_history(history: &NodeHistory) -> String {
    if history.entries.is_empty() {
        return format!("node {} was not asked for a system yet\n", history.node);
    }
    let mut table = Table::new(["WHEN", "GENERATION", "SYSTEM", "OUTCOME", "WHY"]);
    for entry in &history.entries {
        let outcome = match entry.outcome {
            SystemState::Active => console::style(entry.outcome).green(),
            _ => console::style(entry.outcome).red(),
        };
        table.row([
            time(entry.at, "%Y-%m-%d %H:%M:%S"),
            entry.generation.to_string(),
            entry.system.short(),
            outcome.to_string(),
            entry.message.clone(),
        ]);
    }
    table.render()
}
