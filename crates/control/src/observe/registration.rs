use icefield_api::Heartbeat;
use icefield_spec::Name;

use crate::{Command, State};

/// The command that makes a node known by what its agent says of it; `None` if all of that is known.
pub fn registration(state: &State, node: &Name, heartbeat: &Heartbeat, now: u64) -> Option<Command> {
    let known = state.nodes.get(node).is_some_and(|record| {
        !record.removed
            && record.started == heartbeat.started
            && record.address == heartbeat.address
            && record.api == heartbeat.api
            && record.capacity == heartbeat.capacity
            && record.drivers == heartbeat.drivers
    });
    (!known).then(|| Command::Register {
        at: now,
        node: node.clone(),
        address: heartbeat.address.clone(),
        api: heartbeat.api.clone(),
        capacity: heartbeat.capacity,
        drivers: heartbeat.drivers.clone(),
        started: heartbeat.started,
    })
}

/// Whether the agent that was started at `started` is that of a node that was removed: it does not join again.
pub fn is_removed(state: &State, node: &Name, started: u64) -> bool {
    state.nodes.get(node).is_some_and(|record| record.removed && record.started == started)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sample::heartbeat;
    use crate::state::sample::{Sample, name, spec};

    #[test]
    fn a_node_registers_once_and_again_with_other_facts() {
        let mut sample = Sample::with(&[], &spec(&["n1"], &[]));
        let mut said = heartbeat(Vec::new());
        sample.done(registration(&sample.state, &name("n1"), &said, 5).unwrap());
        assert_eq!(registration(&sample.state, &name("n1"), &said, 6), None);
        said.drivers.push("podman".into());
        assert!(registration(&sample.state, &name("n1"), &said, 7).is_some());
    }
}
