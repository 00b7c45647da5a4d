use std::collections::BTreeMap;

use icefield_api::ReplicaReport;
use icefield_spec::Name;

use crate::State;
use crate::observe::Observations;

/// Replicas that a node still has though they are not placed on it, by service.
pub(super) type Leftovers<'a> = BTreeMap<&'a Name, Vec<(&'a Name, &'a ReplicaReport)>>;

/// All that is left over on nodes that are there.
pub(super) fn leftovers<'a>(state: &State, seen: &'a Observations) -> Leftovers<'a> {
    let mut leftovers: Leftovers<'a> = BTreeMap::new();
    for (node, sight) in seen.sights() {
        if state.nodes.get(node).is_none_or(|record| record.lost) {
            continue;
        }
        for (replica, report) in &sight.replicas {
            if state.placed.get(replica).is_none_or(|assignment| assignment.node != *node) {
                leftovers.entry(&replica.service).or_default().push((node, report));
            }
        }
    }
    leftovers
}
