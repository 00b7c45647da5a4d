use std::collections::BTreeSet;

use icefield_api::{HoldStatus, SCHEMA, ServerStatus, Status};
use icefield_spec::Name;

use super::base::bases;
use super::job_status::job_statuses;
use super::leftovers::leftovers;
use super::node_status::nodes;
use super::service_status::service_status;
use crate::State;
use crate::observe::Observations;
use crate::reconcile::Wanted;
use crate::state::Rebalance;

/// The servers, as the one that answers knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The URL of the server that answers.
    pub api: String,
    /// The name of the leading server, if there is one.
    pub leader: Option<String>,
    /// All servers.
    pub servers: Vec<ServerStatus>,
}

/// The index of [`status`], without the rest of it.
///
/// It rises with every change of the rest, whether agreed on or seen, as long as one server leads, and is beyond all
/// earlier ones when another comes to lead.
pub fn status_index(state: &State, seen: &Observations) -> u64 {
    state.version + seen.index()
}

/// What is true now; see [`status_index`].
pub fn status(state: &State, seen: &Observations, group: Group) -> Status {
    let spec = state.spec.as_deref();
    let leftovers = leftovers(state, seen);
    let left = leftovers.keys().copied().filter(|name| !state.jobs.contains_key(*name));
    let names: BTreeSet<&Name> = state.services.keys().chain(left).collect();
    let wanted = Wanted::new(state);
    let service = |name: &Name| {
        let leftovers = leftovers.get(name).map_or(&[][..], Vec::as_slice);
        service_status(state, seen, &wanted, name, leftovers)
    };
    Status {
        schema: SCHEMA,
        index: status_index(state, seen),
        cluster: spec.map(|spec| spec.cluster.clone()),
        api: group.api,
        leader: group.leader,
        revision: state.history.back().map(|entry| entry.revision),
        servers: group.servers,
        rebalance: state.rebalance.as_ref().map(Rebalance::status),
        hold: hold(seen),
        services: names.into_iter().filter_map(service).collect(),
        jobs: job_statuses(state),
        bases: bases(state, seen),
        nodes: nodes(state, seen),
        stale: None,
    }
}

/// The nodes that are held, if any are.
fn hold(seen: &Observations) -> Option<HoldStatus> {
    let health = seen.health();
    let since = *health.held.values().min()?;
    Some(HoldStatus { nodes: health.held.keys().cloned().collect(), since, until: health.until })
}

#[cfg(test)]
mod tests {
    use icefield_api::{NodeAction, NodeState, ReplicaState, RolloutState};

    use super::*;
    use crate::Command;
    use crate::observe::sample::{heartbeat, report};
    use crate::reconcile::{Config, Reconciler};
    use crate::state::RolloutStep;
    use crate::state::sample::{Sample, name, revision, spec};

    fn group() -> Group {
        Group { api: "http://127.0.0.1:7000".into(), leader: Some("s1".into()), servers: Vec::new() }
    }

    fn look(sample: &Sample, seen: &Observations) -> Status {
        status(&sample.state, seen, group())
    }

    /// Two replicas of "web" on two nodes; the first is reported healthy.
    fn half_there() -> (Sample, Observations) {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2", "n3"], &[("web", "a", 2)]));
        sample.place("web/0", "n1");
        sample.place("web/1", "n2");
        let mut seen = Observations::new(1_000);
        seen.heartbeat(&name("n1"), heartbeat(vec![report("web/0", "a", ReplicaState::Healthy, 0)]), 1_100);
        (sample, seen)
    }

    #[test]
    fn nothing_is_true_before_the_first_apply() {
        let sample = Sample::default();
        let status = look(&sample, &Observations::new(7));
        assert_eq!((status.index, status.cluster, status.revision), (7, None, None));
        assert!(status.services.is_empty() && status.nodes.is_empty());
    }

    #[test]
    fn counts_what_is_reported_from_the_right_node() {
        let (mut sample, mut seen) = half_there();
        // What another node says of web/1 is of a process that it is yet to stop.
        seen.heartbeat(
            &name("n1"),
            heartbeat(vec![
                report("web/0", "a", ReplicaState::Healthy, 0),
                report("web/1", "a", ReplicaState::Healthy, 0),
            ]),
            1_200,
        );
        let web = look(&sample, &seen).services.remove(0);
        assert_eq!((web.desired, web.running, web.healthy, web.updated), (2, 1, 1, 1));
        let rows: Vec<_> = web.replicas.iter().map(|row| (row.index, row.node.clone().unwrap(), row.state)).collect();
        assert_eq!(
            rows,
            [
                (0, name("n1"), ReplicaState::Healthy),
                (1, name("n2"), ReplicaState::Pending),
                (1, name("n1"), ReplicaState::Stopping),
            ]
        );
        assert_eq!(web.replicas[1].message.as_deref(), Some("n2 has not been heard of since this server leads"));
        let rollout = web.rollout.unwrap();
        assert_eq!((rollout.state, rollout.message.as_str()), (RolloutState::Progressing, "waits for web/1 (pending)"));
        sample.apply(&spec(&["n1", "n2"], &[]));
        for text in ["web/0", "web/1"] {
            sample.remove(text);
        }
        let web = look(&sample, &seen).services.remove(0);
        assert_eq!((web.desired, web.running, web.revision), (0, 0, revision("a")));
        assert_eq!(web.replicas.len(), 2, "what is still to stop is shown though the service is gone");
    }

    #[test]
    fn shows_each_node_with_what_it_gives() {
        let (mut sample, seen) = half_there();
        sample.register("stray", "10.0.0.9");
        sample.done(Command::Node { at: 0, node: name("n1"), action: NodeAction::Drain });
        sample.done(Command::Lease { at: 0, node: name("n2"), lost: true, reason: String::new() });
        let nodes = look(&sample, &seen).nodes;
        let states: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.state)).collect();
        assert_eq!(
            states,
            [
                ("n1", NodeState::Draining),
                ("n2", NodeState::Lost),
                ("n3", NodeState::Joining),
                ("stray", NodeState::Undeclared),
            ]
        );
        assert_eq!((nodes[0].replicas, nodes[0].cpu_used.to_string().as_str()), (1, "100m"));
        assert_eq!((nodes[0].generation, nodes[0].applied), (2, Some(1)));
        assert_eq!((nodes[2].generation, nodes[2].applied, nodes[2].address.as_deref()), (0, None, None));
        sample.done(Command::Lease { at: 0, node: name("stray"), lost: true, reason: String::new() });
        assert_eq!(look(&sample, &seen).nodes.len(), 3, "a node that is neither declared nor there is none");
    }

    #[test]
    fn says_why_a_replica_is_pending() {
        for (action, why) in [(NodeAction::Cordon, "cordoned"), (NodeAction::Drain, "draining")] {
            let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
            sample.done(Command::Node { at: 0, node: name("n1"), action });
            let mut seen = Observations::new(0);
            seen.heartbeat(&name("n1"), heartbeat(vec![]), 1);
            let before = look(&sample, &seen).index;
            assert!(Reconciler::new().reconcile(&sample.state, &mut seen, &Config::default(), 2).is_empty());
            let status = look(&sample, &seen);
            assert!(status.index > before);
            let message = status.services[0].replicas[0].message.clone().unwrap();
            assert!(message.starts_with("fits on no node: ") && message.contains(why), "{message}");
        }
    }

    #[test]
    fn the_index_rises_with_the_state_and_with_what_is_seen() {
        let (mut sample, mut seen) = half_there();
        let mut last = look(&sample, &seen).index;
        let mut rises = |status: Status| {
            assert!(status.index > last);
            last = status.index;
        };
        seen.heartbeat(&name("n2"), heartbeat(vec![report("web/1", "a", ReplicaState::Healthy, 0)]), 1_100);
        rises(look(&sample, &seen));
        sample.step("a", RolloutStep::Finish);
        rises(look(&sample, &seen));
        let seen = Observations::new(9_000);
        rises(look(&sample, &seen));
    }
}
