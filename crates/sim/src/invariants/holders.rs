//! A singleton never runs on two nodes at once.

use std::collections::BTreeMap;

use icefield_control::State;
use icefield_placement::ReplicaId;
use icefield_spec::Name;

pub(crate) const NAME: &str = "one holder of a singleton's lease";

/// Whether no singleton runs on two nodes; `running` is what runs where.
pub(crate) fn check(running: &[(Name, ReplicaId)], state: &State) -> Result<(), String> {
    let mut holders: BTreeMap<&ReplicaId, &Name> = BTreeMap::new();
    for (node, replica) in running {
        let Some(other) = holders.insert(replica, node) else { continue };
        let reason = state.placed.decision(replica).map_or("", |decision| decision.reason.as_str());
        return Err(format!("{replica} runs on {other} and on {node} ({reason})"));
    }
    Ok(())
}
