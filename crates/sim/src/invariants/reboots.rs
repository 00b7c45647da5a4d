//! No machine is restarted for its system under replicas, unless a person had it take some in the meantime.

use icefield_control::State;
use icefield_placement::ReplicaId;
use icefield_spec::Name;

pub(crate) const NAME: &str = "no restart under replicas";

/// Whether a machine that has just restarted for its system had nothing to do; `running` is what ran on it.
pub(crate) fn check(state: &State, node: &Name, running: &[ReplicaId]) -> Result<(), String> {
    match running.first() {
        Some(replica) if state.nodes.get(node).is_some_and(|node| node.draining) => {
            Err(format!("{node} was restarted for its system while {replica} ran on it"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::sample::Fleet;

    #[test]
    fn sees_a_replica_that_was_there() {
        let mut fleet = Fleet::of(1);
        let running = ["web/0".parse::<ReplicaId>().unwrap()];
        let node = fleet.node(0);
        assert_eq!(check(&fleet.state, &node, &running), Ok(()), "nobody had drained it");
        fleet.state.nodes.get_mut(&node).unwrap().draining = true;
        assert_eq!(check(&fleet.state, &node, &[]), Ok(()));
        assert!(check(&fleet.state, &node, &running).is_err());
    }
}
