use std::collections::BTreeMap;

use icefield_placement::{Acceptance, Assignment, Demand, Engine, Host, Solution};
use icefield_spec::{FleetNode, Name, Revision, Service};

use crate::State;
use crate::state::ServiceRecord;

/// What becomes of nodes that are declared and have not joined yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joining {
    /// They are not there.
    Absent,
    /// They count as if they had joined, empty: to see where replicas will be once they have.
    Expected,
}

/// How the placement must change.
pub(crate) fn solve(state: &State, joining: Joining) -> Solution {
    engine(state, joining).solve()
}

/// An engine that knows all that the state holds.
pub(crate) fn engine(state: &State, joining: Joining) -> Engine {
    let mut engine = Engine::new();
    engine.set_placement(state.placed.placement());
    let Some(spec) = state.spec.as_deref() else { return engine };
    for host in spec.fleet().filter_map(|node| host(state, &node, joining)) {
        engine.set_host(host);
    }
    for (name, service) in &spec.services {
        if let Some(record) = state.services.get(name) {
            engine.set_service(name.clone(), demands(state, name, service, record));
        }
    }
    engine
}

fn host(state: &State, node: &FleetNode<'_>, joining: Joining) -> Option<Host> {
    let mut host = Host::ready(node);
    let Some(record) = state.nodes.get(&node.name) else {
        return (joining == Joining::Expected).then_some(host);
    };
    if let Some(ports) = record.capacity.ports {
        host.ports = ports;
    }
    host.acceptance = if record.lost {
        Acceptance::Lost
    } else if record.draining {
        Acceptance::Draining
    } else if record.cordoned {
        Acceptance::Cordoned
    } else {
        Acceptance::Ready
    };
    Some(host)
}

/// One demand for each revision that replicas of the service are to have now; at least one, so that a service of no
/// replicas is not taken for one that is gone.
fn demands(state: &State, name: &Name, service: &Service, record: &ServiceRecord) -> Vec<Demand> {
    let current: BTreeMap<u32, &Assignment> = state.placed.placement().service(name.as_str()).collect();
    let mut wanted: BTreeMap<Revision, Vec<u32>> = BTreeMap::from([(record.target, Vec::new())]);
    for index in 0..service.replicas {
        let has = current.get(&index).map(|assignment| assignment.revision);
        wanted.entry(record.wanted(index, has)).or_default().push(index);
    }
    let demand = |(revision, indexes): (Revision, Vec<u32>)| {
        let unit = &record.units.get(&revision)?.unit;
        Some(Demand::new(revision, unit, service, indexes))
    };
    wanted.into_iter().filter_map(demand).collect()
}

#[cfg(test)]
mod tests {
    use icefield_api::NodeAction;
    use icefield_placement::{ChangeKind, Solution};

    use super::*;
    use crate::Command;
    use crate::state::RolloutStep;
    use crate::state::sample::{Sample, name, replica, revision, spec};

    fn solution(sample: &Sample) -> Solution {
        solve(&sample.state, Joining::Absent)
    }

    #[test]
    fn only_nodes_that_joined_and_are_declared_take_replicas() {
        let sample = Sample::with(&["n1", "stray"], &spec(&["n1", "later"], &[("web", "a", 3)]));
        let solution = solution(&sample);
        assert_eq!(solution.changes.len(), 3);
        for change in solution.changes {
            let ChangeKind::Place { to } = change.kind else { panic!("{change:?}") };
            assert_eq!(to.node, name("n1"));
        }
    }

    #[test]
    fn what_is_on_a_lost_or_draining_node_leaves_it() {
        for lost in [true, false] {
            let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 1)]));
            sample.place("web/0", "n1");
            assert_eq!(solution(&sample), Solution::default());
            let node = name("n1");
            sample.done(match lost {
                true => Command::Lease { at: 0, node, lost, reason: String::new() },
                false => Command::Node { at: 0, node, action: NodeAction::Drain },
            });
            let changes = solution(&sample).changes;
            assert_eq!(changes.len(), 1);
            let ChangeKind::Move { from, to } = &changes[0].kind else { panic!("{changes:?}") };
            assert_eq!((from.as_str(), to.node.as_str()), ("n1", "n2"));
        }
    }

    #[test]
    fn a_rollout_replaces_what_is_advanced_and_nothing_else() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 2)]));
        sample.place("web/0", "n1");
        sample.place("web/1", "n1");
        sample.step("a", RolloutStep::Finish);
        sample.apply(&spec(&["n1"], &[("web", "b", 2)]));
        assert_eq!(solution(&sample), Solution::default());
        sample.step("b", RolloutStep::Advance { indexes: vec![1] });
        let changes = solution(&sample).changes;
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].replica, replica("web/1"));
        let ChangeKind::Replace { to } = &changes[0].kind else { panic!("{changes:?}") };
        assert_eq!((to.revision, to.node.as_str()), (revision("b"), "n1"));
    }

    #[test]
    fn a_service_switched_off_is_not_one_that_is_gone() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
        sample.place("web/0", "n1");
        sample.apply(&spec(&["n1"], &[("web", "a", 0)]));
        assert_eq!(solution(&sample).changes[0].reason, "scaled down to 0");
        sample.apply(&spec(&["n1"], &[]));
        assert_eq!(solution(&sample).changes[0].reason, "service is gone");
    }
}
