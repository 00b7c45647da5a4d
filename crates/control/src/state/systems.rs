use icefield_api::{EventKind, SystemEntry, SystemState};
use icefield_spec::Name;

use super::{Effect, State};

/// How many systems of a node are remembered.
const KEPT: usize = 20;

impl State {
    /// Remembers what became of a system on a node; what was known of the same attempt is replaced.
    pub(super) fn system(&mut self, at: u64, node: &Name, entry: SystemEntry) -> Effect {
        let known = self.systems.entry(node.clone()).or_default();
        if known.back().is_some_and(|last| (last.asked, last.outcome) == (entry.asked, entry.outcome)) {
            return Effect::Nothing;
        }
        known.retain(|other| other.asked != entry.asked);
        let because = if entry.message.is_empty() { String::new() } else { format!(": {}", entry.message) };
        let message = match entry.outcome {
            SystemState::RolledBack => Some(format!("went back by itself from {}{because}", entry.system.short())),
            SystemState::Failed => Some(format!("could not come to {}{because}", entry.system.short())),
            _ => None,
        };
        known.push_back(entry);
        while known.len() > KEPT {
            known.pop_front();
        }
        if let Some(message) = message {
            self.tell(at, EventKind::Node, format!("node {node}"), message);
        }
        Effect::Noted
    }
}
