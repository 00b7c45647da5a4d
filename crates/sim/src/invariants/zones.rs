//! Nodes go to another system zone by zone: none is begun with while a node of a zone before it is there and has yet to go.

use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_control::State;
use icefield_control::state::BaseRecord;
use icefield_spec::Name;

pub(crate) const NAME: &str = "zone by zone";

/// How long a node must have been in contact with one server for the leader to know of it whenever it decided, in milliseconds.
const KNOWN: u64 = 6_000;

/// The state that was seen last.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    before: Option<Arc<State>>,
}

impl Zones {
    /// Compares a newer state with the one before; `contact` says for how long each node has been in contact with one server.
    pub(crate) fn check(&mut self, state: &Arc<State>, contact: &BTreeMap<Name, u64>) -> Result<(), String> {
        let Some(before) = self.before.replace(Arc::clone(state)) else { return Ok(()) };
        let Some(spec) = state.spec.as_ref().filter(|_| state.version > before.version) else { return Ok(()) };
        for (name, record) in &state.bases {
            let Some(old) = before.bases.get(name) else { continue };
            let is_same = old.target == record.target && old.rollout.started == record.rollout.started;
            // What is under way already decides which zone is gone on with.
            if !is_same || old.nodes.values().any(|node| !node.proven) {
                continue;
            }
            let zone = |node: &Name| spec.nodes.get(node).and_then(|node| node.machine.labels.get("zone"));
            let asked = record.nodes.iter().filter(|(node, asked)| old.nodes.get(*node) != Some(asked));
            let Some(last) = asked.map(|(node, _)| node).max_by_key(|node| zone(node)) else { continue };
            let waits = |node: &&Name| {
                let is_there = state.nodes.get(*node).is_some_and(|node| !node.lost)
                    && before.nodes.get(*node).is_some_and(|node| !node.lost)
                    && contact.get(*node).is_some_and(|known| *known >= KNOWN);
                let is_of = spec.nodes.get(*node).is_some_and(|node| node.machine.base.as_ref() == Some(name));
                is_of && is_there && zone(node) < zone(last) && !has_gone(record, node)
            };
            if let Some(first) = state.nodes.keys().find(waits) {
                return Err(format!("of base {name}, {last} was begun with before {first}, whose zone comes first"));
            }
        }
        Ok(())
    }
}

/// Whether a node was asked for what its base goes to, or stays as it is.
fn has_gone(record: &BaseRecord, node: &Name) -> bool {
    record.nodes.get(node).is_some_and(|asked| asked.held || asked.system == record.target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::sample::Fleet;

    #[test]
    fn sees_a_zone_that_is_passed_over() {
        let verdict = |at: usize, known: u64| {
            let mut fleet = Fleet::of(5);
            let contact: BTreeMap<Name, u64> = (0..5).map(|at| (fleet.node(at), known)).collect();
            let mut zones = Zones::default();
            zones.check(&Arc::new(fleet.state.clone()), &contact).unwrap();
            fleet.ask(&[at]);
            zones.check(&Arc::new(fleet.state.clone()), &contact)
        };
        assert_eq!(verdict(0, 9_000), Ok(()));
        assert_eq!(verdict(4, 9_000), Ok(()), "the order within a zone is nobody's promise");
        assert!(verdict(1, 9_000).unwrap_err().contains("n2 was begun with before n1"));
        assert_eq!(verdict(1, 1_000), Ok(()), "the leader may not have heard of the first");
    }
}
