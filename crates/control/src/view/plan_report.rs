use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_api::{PlanBasis, PlanReport, PlannedChange, RolloutState, SCHEMA, UnplacedReason, UnplacedReplica};
use icefield_placement::{Assignment, Change, ChangeKind, Exclusion, Placement, Solution, Unplaced};
use icefield_spec::Spec;

use super::declaration::{change, changes};
use crate::State;
use crate::reconcile::{Joining, place_offline, solve};

/// What applying `spec` would change, once all its rollouts are through.
///
/// Nodes that are declared and have not joined count only if something fits nowhere without them.
pub fn plan_report(state: &State, spec: &Spec) -> PlanReport {
    let mut next = state.clone();
    let same = state.spec.as_deref() == Some(spec);
    if !same {
        next.take_up(state.version + 1, 0, Arc::new(spec.clone()));
    }
    for record in next.services.values_mut() {
        record.rollout.end(RolloutState::Done, 0);
    }
    let mut solution = solve(&next, Joining::Absent);
    if !solution.unplaced.is_empty() && spec.fleet().any(|node| !next.nodes.contains_key(&node.name)) {
        solution = solve(&next, Joining::Expected);
    }
    let mut placement = next.placed.placement().clone();
    follow(&mut placement, &solution.changes);
    // What is not as the spec in force has it is on its way already; applying it again changes nothing.
    let declared = if same { Vec::new() } else { changes(state.spec.as_deref(), spec) };
    let moved = if same { &[] } else { solution.changes.as_slice() };
    let mut report = report(declared, moved, &placement, &solution.unplaced);
    let in_force = state.history.back().map(|entry| entry.revision);
    report.basis = Some(PlanBasis { spec: in_force, plan: Some(report.hash()), event: state.last_event });
    report
}

/// What `spec` would come to on a fleet whose nodes are all there and empty, with the placement itself: a plan without
/// a cluster.
pub fn offline_report(spec: &Spec) -> (PlanReport, Placement) {
    let (Solution { changes: moved, unplaced }, placement) = place_offline(spec);
    (report(changes(None, spec), &moved, &placement, &unplaced), placement)
}

fn follow(placement: &mut Placement, changes: &[Change]) {
    for change in changes {
        match &change.kind {
            ChangeKind::Place { to } | ChangeKind::Move { to, .. } | ChangeKind::Replace { to } => {
                placement.insert(change.replica.clone(), to.clone());
            }
            ChangeKind::Remove { .. } => {
                placement.remove(&change.replica);
            }
        }
    }
}

fn report(
    mut declared: Vec<PlannedChange>,
    moved: &[Change],
    placement: &Placement,
    unplaced: &[Unplaced],
) -> PlanReport {
    declared.extend(moved.iter().map(replica_change));
    let nodes = |(index, assignment): (u32, &Assignment)| (index, assignment.node.clone());
    let services = placement.services();
    let placement: BTreeMap<_, _> =
        services.map(|name| (name.clone(), placement.service(name.as_str()).map(nodes).collect())).collect();
    let unplaced = unplaced.iter().map(|unplaced| UnplacedReplica {
        service: unplaced.replica.service.clone(),
        index: unplaced.replica.index,
        reasons: unplaced.reasons.iter().map(reason).collect(),
    });
    PlanReport { schema: SCHEMA, changes: declared, placement, unplaced: unplaced.collect(), basis: None }
}

fn reason(exclusion: &Exclusion) -> UnplacedReason {
    UnplacedReason { rule: exclusion.rule.clone(), nodes: exclusion.nodes, fix: exclusion.fix.clone() }
}

fn replica_change(moved: &Change) -> PlannedChange {
    let (action, place) = match &moved.kind {
        ChangeKind::Place { to } => ("place", format!("on {}", to.node)),
        ChangeKind::Move { from, to } => ("move", format!("{from} → {}", to.node)),
        ChangeKind::Replace { to } => ("replace", format!("on {}", to.node)),
        ChangeKind::Remove { from } => ("remove", format!("from {from}")),
    };
    change("replica", &moved.replica, action, format!("{place}: {}", moved.reason))
}

#[cfg(test)]
mod tests {
    use icefield_api::NodeAction;

    use super::*;
    use crate::Command;
    use crate::state::RolloutStep;
    use crate::state::sample::{Sample, name, spec};

    /// The changes in words; of replicas without the node, which is the engine's to choose.
    fn lines(report: &PlanReport) -> String {
        let line = |change: &PlannedChange| {
            let PlannedChange { kind, name, action, reason } = change;
            if kind == "replica" { format!("{action} {name}") } else { format!("{action} {kind} {name}: {reason}") }
        };
        report.changes.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn settled() -> Sample {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 2), ("old", "a", 1)]));
        sample.place("web/0", "n1");
        sample.place("web/1", "n2");
        sample.place("old/0", "n1");
        sample.step("a", RolloutStep::Finish);
        sample
    }

    #[test]
    fn without_a_cluster_everything_is_new() {
        let declared = spec(&["n1", "n2"], &[("web", "a", 2)]);
        let (report, placement) = offline_report(&declared);
        assert_eq!(placement.len(), 2);
        assert_eq!(report.placement["web"].len(), 2);
        insta::assert_snapshot!(lines(&report), @"
        create cluster test: new cluster
        create node n1: cpu 4, memory 1GiB
        create node n2: cpu 4, memory 1GiB
        create service web: 2 replicas
        place web/0
        place web/1
        ");
    }

    #[test]
    fn tells_what_changes_and_what_it_leads_to() {
        let sample = settled();
        let mut next = spec(&["n1", "n2", "n3"], &[("web", "b", 3), ("api", "a", 1)]);
        let web = next.services.get_mut("web").unwrap();
        web.unit.env.insert("GREETING".into(), "hello".into());
        web.unit.cpu = "500m".parse().unwrap();
        next.nodes.get_mut("n2").unwrap().machine.labels.insert("disk".into(), "ssd".into());
        let report = plan_report(&sample.state, &next);
        assert!(report.unplaced.is_empty());
        insta::assert_snapshot!(lines(&report), @"
        update node n2: label disk added
        create node n3: cpu 4, memory 1GiB
        create service api: 1 replica
        update service web: replicas 2 → 3, run changed, cpu 100m → 500m, env GREETING added
        delete service old: no longer declared
        place api/0
        remove old/0
        replace web/0
        replace web/1
        place web/2
        ");
    }

    #[test]
    fn the_spec_in_force_changes_nothing() {
        let mut sample = settled();
        sample.done(Command::Lease { at: 0, node: name("n2"), lost: true, reason: String::new() });
        let report = plan_report(&sample.state, &sample.state.spec.clone().unwrap());
        assert!(report.changes.is_empty());
        assert_eq!(report.placement["web"].values().filter(|node| **node == name("n1")).count(), 2);
    }

    #[test]
    fn what_fits_nowhere_comes_with_its_reasons() {
        let mut sample = settled();
        for node in ["n1", "n2"] {
            sample.done(Command::Node { at: 0, node: name(node), action: NodeAction::Cordon });
        }
        let report = plan_report(&sample.state, &spec(&["n1", "n2"], &[("web", "a", 3)]));
        assert_eq!(report.unplaced.len(), 1);
        assert_eq!((report.unplaced[0].index, report.unplaced[0].reasons.is_empty()), (2, false));
    }

    #[test]
    fn nodes_that_are_still_to_join_count_only_if_they_are_needed() {
        let sample = Sample::with(&["n1"], &spec(&["n1", "n2"], &[]));
        let few = plan_report(&sample.state, &spec(&["n1", "n2"], &[("web", "a", 2)]));
        assert!(few.placement["web"].values().all(|node| *node == name("n1")));
        let nobody = Sample::with(&[], &spec(&[], &[]));
        let all = plan_report(&nobody.state, &spec(&["n1", "n2"], &[("web", "a", 2)]));
        assert!(all.unplaced.is_empty());
    }
}
