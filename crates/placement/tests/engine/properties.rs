use std::cmp::Reverse;
use std::collections::BTreeSet;

use icefield_placement::{Acceptance, Assignment, ChangeKind, ReplicaId, ScorePart};
use proptest::prelude::*;

use crate::cases::{fleet, other_node, simple_fleet, still_fleet};
use crate::checker::{arrivals, demand_of, gives_way, in_transit, keeps, makes_room, takes, violations};
use crate::config;
use crate::fleet::{Fleet, host};
use crate::remedy::carry_out;

/// All replicas that `fleet` wants.
fn wanted(fleet: &Fleet) -> BTreeSet<ReplicaId> {
    let demands = fleet.services.iter().flat_map(|(name, demands)| demands.iter().map(move |demand| (name, demand)));
    let ids =
        demands.flat_map(|(name, demand)| demand.indexes.iter().map(|index| ReplicaId::new(name.clone(), *index)));
    ids.collect()
}

/// Whether there are replicas that others must give way to.
fn has_priorities(fleet: &Fleet) -> bool {
    let priorities: BTreeSet<i32> = fleet.services.values().flatten().map(|demand| demand.priority).collect();
    priorities.len() > 1
}

/// Whether there are replicas that must be where others are.
fn follows(fleet: &Fleet) -> bool {
    fleet.services.values().flatten().any(|demand| !demand.rules.keep_with.is_empty())
}

/// Whether `fix` changes a label by which services are kept with or from each other, or must be in so many domains. It
/// does not look ahead to that.
fn brings_together(fleet: &Fleet, fix: &str) -> bool {
    let rules = fleet.services.values().flatten().map(|demand| &demand.rules);
    let mut labels = rules.flat_map(|rules| {
        let companies = rules.keep_with.iter().chain(&rules.keep_from).map(|company| &company.label);
        let spreads = rules.spread.iter().filter(|spread| spread.min_domains.is_some()).map(|spread| &spread.label);
        companies.chain(spreads)
    });
    labels.any(|label| {
        let changes =
            [format!("the label {label}="), format!("a {label} of its own"), format!("the label {label} off")];
        changes.iter().any(|change| fix.contains(change.as_str()))
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_hard_rule_is_broken_and_every_replica_is_accounted_for(fleet in fleet()) {
        let solution = fleet.solve();
        let after = fleet.after(&solution);
        prop_assert_eq!(violations(&after), Vec::<String>::new());
        let mut arrivals = arrivals(&fleet, &after);
        if has_priorities(&fleet) || follows(&fleet) {
            // What had to go again may have left its domain behind others that were not ahead before.
            arrivals.retain(|found| !found.contains("skew"));
        }
        prop_assert_eq!(arrivals, Vec::<String>::new());
        let placed = after.placement.iter().map(|(id, _)| id);
        let unplaced: Vec<_> = solution.unplaced.iter().map(|unplaced| unplaced.replica.clone()).collect();
        let all: Vec<_> = placed.chain(unplaced.iter().cloned()).collect();
        prop_assert_eq!(all.len(), wanted(&fleet).len());
        prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), wanted(&fleet));
        prop_assert!(unplaced.is_sorted() && solution.changes.is_sorted_by(|a, b| a.replica < b.replica));
    }

    #[test]
    fn changes_say_what_is_so(fleet in fleet()) {
        for change in fleet.solve().changes {
            let before = fleet.placement.get(&change.replica);
            let ready = |to: &Assignment| fleet.hosts[&to.node].acceptance == Acceptance::Ready;
            let node = before.map(|at| &at.node);
            let holds = match &change.kind {
                ChangeKind::Place { to } => before.is_none() && ready(to),
                ChangeKind::Move { from, to } => node == Some(from) && to.node != *from && ready(to),
                ChangeKind::Replace { to } => node == Some(&to.node) && before != Some(to),
                ChangeKind::Remove { from } => node == Some(from),
            };
            prop_assert!(holds && !change.reason.is_empty(), "{change:?} from {before:?}");
        }
    }

    #[test]
    fn what_is_settled_stays(fleet in simple_fleet(), extra in any::<bool>()) {
        let solution = fleet.solve();
        let mut settled = fleet.after(&solution);
        let again = settled.solve();
        if again.unplaced.len() < solution.unplaced.len() {
            // It looked for room from another start, and found some.
            prop_assume!(again.changes.iter().any(|change| matches!(change.kind, ChangeKind::Place { .. })));
            return Ok(());
        }
        prop_assert_eq!(&again.changes, &vec![]);
        prop_assert_eq!(&again.unplaced, &solution.unplaced);
        // Nodes without replicas come and go; nobody moves for it.
        if extra && settled.hosts.len() > 1 {
            let used: BTreeSet<_> = settled.placement.iter().map(|(_, at)| at.node.clone()).collect();
            settled.hosts.retain(|name, _| used.contains(name));
        } else {
            settled.add_host(host(other_node().as_str(), &[("zone", "c"), ("disk", "ssd")]));
        }
        for change in settled.solve().changes {
            let holds = matches!(change.kind, ChangeKind::Place { .. }) || gives_way(&change) || makes_room(&change);
            prop_assert!(holds, "{change:?}");
        }
    }

    #[test]
    fn what_breaks_no_rule_is_not_moved(fleet in simple_fleet(), revised in any::<bool>()) {
        let solution = fleet.solve();
        let mut settled = fleet.after(&solution);
        if revised {
            let all = settled.services.values_mut().flatten();
            all.for_each(|demand| demand.revision = icefield_spec::Revision::of("three"));
        }
        let again = settled.solve();
        if again.unplaced.len() < solution.unplaced.len() {
            return Ok(());
        }
        for change in again.changes {
            let ports = |at: &Assignment| at.ports.clone();
            let before = settled.placement.get(&change.replica).map(ports);
            match change.kind {
                ChangeKind::Replace { to } if revised => prop_assert_eq!(Some(to.ports), before),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn what_stands_is_moved_only_if_it_must(fleet in still_fleet()) {
        // With all the others where they end up, a replica that had to leave can truly not be back where it was.
        let solution = fleet.solve();
        let after = fleet.after(&solution);
        if solution.changes.iter().any(|change| gives_way(change) || makes_room(change)) || follows(&fleet) {
            // Others may have had to leave for one that had to leave in turn.
            return Ok(());
        }
        for change in &solution.changes {
            let from = match &change.kind {
                ChangeKind::Move { from, .. } => from,
                ChangeKind::Remove { from } if demand_of(&fleet, &change.replica).is_some() => from,
                _ => continue,
            };
            let mut without = after.clone();
            without.placement.remove(&change.replica);
            // What came later to the node may take its place: only those that stood there count.
            for other in &solution.changes {
                if matches!(other.kind, ChangeKind::Place { .. } | ChangeKind::Move { .. }) {
                    without.placement.remove(&other.replica);
                }
            }
            prop_assert!(!keeps(&without, &change.replica, from), "{change:?}");
        }
    }

    #[test]
    fn what_is_placed_nowhere_fits_nowhere(mut fleet in simple_fleet(), transient in fleet()) {
        fleet.objective.transient = transient.objective.transient;
        let solution = fleet.solve();
        let after = in_transit(&fleet, &solution);
        for unplaced in &solution.unplaced {
            let node = after.hosts.keys().find(|node| takes(&after, &unplaced.replica, node));
            prop_assert_eq!(node, None, "{} fits", unplaced.replica);
            let counted: u64 = unplaced.reasons.iter().map(|reason| reason.nodes).sum();
            prop_assert_eq!(counted, after.hosts.len() as u64);
            prop_assert!(!unplaced.reasons.is_empty());
        }
    }

    #[test]
    fn every_fix_is_true(fleet in still_fleet()) {
        let solution = fleet.solve();
        let after = fleet.after(&solution);
        for unplaced in &solution.unplaced {
            let follows = fleet.services[&unplaced.replica.service].iter().any(|demand| !demand.rules.keep_with.is_empty());
            // What would have to go may be the company that the replica needs.
            let parts = |fix: &str| follows && (fix.contains("(used by") || fix.contains("take "));
            let reasons = unplaced.reasons.iter();
            let reasons = reasons.filter(|reason| !brings_together(&fleet, &reason.fix) && !parts(&reason.fix));
            for reason in reasons.filter(|_| !after.hosts.is_empty()) {
                for fixed in carry_out(&after, &unplaced.replica, &reason.fix) {
                    let taken = fixed.hosts.keys().any(|node| takes(&fixed, &unplaced.replica, node));
                    prop_assert!(taken, "{}: {reason:?}", unplaced.replica);
                }
            }
        }
    }

    #[test]
    fn the_best_node_is_taken(fleet in still_fleet()) {
        // Of one service's new replicas the last one was placed in just the state that its explanation speaks of.
        let mut fleet = Fleet { placement: Default::default(), ..fleet };
        while fleet.services.len() > 1 {
            fleet.services.pop_last();
        }
        fleet.services.values_mut().for_each(|demands| demands.truncate(1));
        let Some((last, at)) = fleet.after(&fleet.solve()).placement.iter().last().map(|(id, at)| (id, at.clone())) else {
            return Ok(());
        };
        let explanation = fleet.engine().explain(&last).unwrap();
        // In billionths, as the engine counts, so that equal points are equal here too; more it cannot tell so exactly.
        let total = |score: &[ScorePart]| score.iter().map(|part| (part.points * 1e9).round() as i64).sum::<i64>();
        let others = explanation.alternatives.iter().flat_map(|other| &other.score);
        if explanation.score.iter().chain(others).any(|part| part.points.abs() > 1e6) {
            return Ok(());
        }
        let here = (Reverse(total(&explanation.score)), &at.node);
        for other in &explanation.alternatives {
            prop_assert!(here < (Reverse(total(&other.score)), &other.node), "{explanation:?}");
        }
    }

    #[test]
    fn explanations_agree_with_the_solution(fleet in still_fleet()) {
        let mut engine = fleet.engine();
        let solution = engine.solve();
        let after = fleet.after(&solution);
        for replica in wanted(&fleet) {
            let explanation = engine.explain(&replica).unwrap();
            prop_assert_eq!(explanation.assignment.as_ref(), after.placement.get(&replica));
            let mut without = after.clone();
            without.placement.remove(&replica);
            let here = explanation.assignment.map(|at| at.node);
            let others = after.hosts.keys().filter(|node| Some(*node) != here.as_ref());
            let (good, bad): (Vec<_>, Vec<_>) = others.partition(|node| takes(&without, &replica, node));
            prop_assert_eq!(explanation.alternatives.len(), good.len().min(3));
            prop_assert!(explanation.alternatives.iter().all(|other| good.contains(&&other.node)));
            let excluded: u64 = explanation.excluded.iter().map(|excluded| excluded.nodes).sum();
            prop_assert_eq!(excluded, bad.len() as u64);
        }
        prop_assert_eq!(engine.explain(&"stranger/0".parse().unwrap()), None);
    }
}
