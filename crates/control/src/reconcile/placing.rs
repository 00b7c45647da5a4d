use icefield_placement::{Engine, Solution};

use super::demands::Demands;
use super::host::{Joining, host};
use super::job_demands::Opened;
use super::objective::objective;
use super::wanted::{Wanted, nodes_of};
use crate::State;

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
    engine.set_objective(objective(spec));
    for (namespace, quota) in &spec.namespaces {
        engine.set_quota(namespace.clone(), Some(quota.clone()));
    }
    let (demands, mut wanted) = (Demands::of(spec), Wanted::default());
    for (name, service) in &spec.services {
        if service.daemon {
            wanted.set(name, nodes_of(&engine, state, name, service));
        }
        if let Some(record) = state.services.get(name) {
            engine.set_service(name.clone(), demands.make(state, &wanted, name, service, record));
        }
    }
    for (name, job) in &spec.jobs {
        if let Some(opened) = Opened::of(state, name) {
            engine.set_service(name.clone(), opened.demands(demands, state, name, job));
        }
    }
    engine
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
    fn what_is_on_a_lost_node_leaves_it_and_what_is_on_a_draining_one_waits_for_its_turn() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 1)]));
        sample.place("web/0", "n1");
        let node = name("n1");
        sample.done(Command::Node { at: 0, node: node.clone(), action: NodeAction::Drain });
        assert_eq!(solution(&sample), Solution::default());
        sample.done(Command::Lease { at: 0, node, lost: true, reason: String::new() });
        let changes = solution(&sample).changes;
        assert_eq!(changes.len(), 1);
        let ChangeKind::Move { from, to } = &changes[0].kind else { panic!("{changes:?}") };
        assert_eq!((from.as_str(), to.node.as_str()), ("n1", "n2"));
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
