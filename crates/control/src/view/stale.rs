use icefield_api::{ReplicaState, RolloutState, Stale, Status};

use super::{Group, status};
use crate::State;
use crate::observe::Observations;

/// What is agreed on, as a server has it that does not lead: what only the leader sees is marked as unknown.
pub fn stale_status(state: &State, group: Group, stale: Stale) -> Status {
    let mut status = status(state, &Observations::new(0), group);
    status.stale = Some(stale);
    for service in &mut status.services {
        for replica in &mut service.replicas {
            let lost = |node| state.nodes.get(node).is_some_and(|record| record.lost);
            // What is nowhere, or on a node that is lost, is pending for every server.
            if replica.node.as_ref().is_some_and(|node| !lost(node)) {
                replica.state = ReplicaState::Unknown;
                replica.message = None;
                service.unknown += 1;
            }
        }
        if let Some(rollout) = &mut service.rollout
            && rollout.state == RolloutState::Progressing
        {
            rollout.message.clear();
        }
    }
    for base in status.bases.iter_mut().filter(|base| base.rollout.state == RolloutState::Progressing) {
        base.rollout.message.clear();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use crate::state::sample::{Sample, name, spec};

    #[test]
    fn nothing_is_said_of_what_only_the_leader_sees() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 3)]));
        sample.place("web/0", "n1");
        sample.place("web/1", "n2");
        sample.done(Command::Lease { at: 0, node: name("n2"), lost: true, reason: String::new() });
        let group = Group { api: "http://127.0.0.1:7000".into(), leader: None, servers: Vec::new() };
        let stale = Stale { version: sample.state.version, leader_heard: Some(9) };
        let status = stale_status(&sample.state, group, stale);
        assert_eq!((status.stale, status.index), (Some(stale), sample.state.version));
        let web = &status.services[0];
        let states: Vec<ReplicaState> = web.replicas.iter().map(|replica| replica.state).collect();
        assert_eq!(states, [ReplicaState::Unknown, ReplicaState::Pending, ReplicaState::Pending]);
        assert_eq!((web.desired, web.healthy, web.unknown), (3, 0, 1));
        assert_eq!(web.replicas[1].message.as_deref(), Some("n2 is lost"));
        assert_eq!(web.rollout.as_ref().unwrap().message, "");
        assert!(status.nodes.iter().all(|node| node.applied.is_none()));
    }
}
