use proptest::prelude::*;

use super::{Effort, Improved, Progress, improve};
use crate::sample::{Draw, draws, problem};
use crate::{Cost, Kind, Label, Limit, Node, Problem, Replica, Resource, Rule, Service, evaluate};

fn effort(seed: u64, threads: usize, steps: u64) -> Effort<'static> {
    Effort { seed, threads, steps: Some(steps), stop: &|| false, spent: None }
}

fn found(problem: &Problem, start: &[Option<u32>], effort: &Effort<'_>) -> Improved {
    improve(problem, start, effort, &mut |_| ()).unwrap()
}

/// By how much capacities are exceeded and other rules broken, and the cost.
fn standing(problem: &Problem, assignment: &[Option<u32>]) -> ((i64, i64), Cost) {
    let (cost, violations) = evaluate(problem, assignment).unwrap();
    let sum = |capacity: bool| {
        let of_rule = violations.iter().filter(|found| matches!(found.rule, Rule::Capacity { .. }) == capacity);
        of_rule.map(|found| found.by).sum()
    };
    ((sum(true), sum(false)), cost)
}

/// Two nodes with room for 5 each, and replicas that need so much.
fn tight(replicas: [i64; 4]) -> Problem {
    let node = || Node { capacity: [5].into(), comfort: [5].into(), size: 1_000_000 };
    let kind = |need| Kind { need: [need].into(), importance: need * need, ..Kind::default() };
    Problem {
        resources: vec![Resource { transient: false, load_weight: 1, fills: true }],
        nodes: vec![node(), node()],
        labels: vec![Label { domain_of: vec![0, 1], domains: 2 }],
        kinds: replicas.map(kind).into(),
        services: vec![Service::default()],
        replicas: (0..4).map(|kind| Replica { kind, start: None, movable: true }).collect(),
        ..Problem::default()
    }
}

/// The result of a walk of so many steps is valid where the start is, and costs no more.
fn check_is_never_worse(draw: &mut Draw, steps: u64) {
    let problem = problem(draw);
    let start: Vec<Option<u32>> = problem.replicas.iter().map(|_| draw.place(&problem)).collect();
    let improved = found(&problem, &start, &effort(draw.number(100) as u64, 1 + draw.below(2), steps));
    let ((excess, broken), cost) = standing(&problem, &start);
    let ((excess_after, broken_after), cost_after) = standing(&problem, &improved.assignment);
    assert_eq!(improved.cost, cost_after);
    assert!(excess_after <= excess && broken_after <= broken);
    assert!((broken_after, excess_after, cost_after) <= (broken, excess, cost));
    for (index, replica) in problem.replicas.iter().enumerate() {
        assert!(replica.movable || improved.assignment[index] == start[index]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn is_never_worse_than_the_start_after_a_walk_that_may_exceed_capacities(mut draw in draws()) {
        // Long enough for the whole heat.
        check_is_never_worse(&mut draw, 100_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn is_never_worse_than_the_start(mut draw in draws()) {
        check_is_never_worse(&mut draw, 2000);
    }

    #[test]
    fn is_the_same_for_the_same_arguments(mut draw in draws()) {
        let problem = problem(&mut draw);
        let start: Vec<Option<u32>> = problem.replicas.iter().map(|_| draw.place(&problem)).collect();
        let once = found(&problem, &start, &effort(7, 1, 1500));
        prop_assert_eq!(once, found(&problem, &start, &effort(7, 1, 1500)));
    }
}

#[test]
fn places_all_where_that_takes_making_room() {
    // 3 and 1 are on one node, so that 4 has room on neither.
    let problem = tight([4, 3, 2, 1]);
    let improved = found(&problem, &[None, Some(0), Some(1), Some(0)], &effort(1, 1, 20_000));
    assert_eq!(improved.cost, Cost { unplaced: 0, amount: 0 });
    assert_eq!(improved.assignment[0], improved.assignment[3]);
}

#[test]
fn what_matters_less_gives_way() {
    let problem = tight([5, 5, 3, 2]);
    let improved = found(&problem, &[None, None, Some(0), Some(1)], &effort(1, 1, 20_000));
    assert_eq!(improved.cost.unplaced, 9 + 4);
    assert_eq!(&improved.assignment[2..], [None, None]);
}

#[test]
fn stops_when_told_and_reports_what_it_found() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let mut problem = tight([1, 1, 1, 1]);
    problem.services[0].limits.push(Limit { label: 0, max: 2 });
    let asked = AtomicU32::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) > 40;
    let effort = Effort { seed: 1, threads: 2, steps: None, stop: &stop, spent: None };
    let mut told: Vec<Progress> = Vec::new();
    let improved = improve(&problem, &[None; 4], &effort, &mut |progress| told.push(*progress)).unwrap();
    assert_eq!(improved.cost.unplaced, 0);
    assert!(told.windows(2).all(|pair| pair[1].cost < pair[0].cost && pair[1].steps > pair[0].steps));
    assert!(improved.steps < 42 * 256, "{}", improved.steps);
}

#[test]
fn nothing_to_move_ends_at_once() {
    let mut problem = tight([1, 1, 1, 1]);
    problem.replicas.iter_mut().for_each(|replica| replica.movable = false);
    let effort = Effort { seed: 1, threads: 1, steps: None, stop: &|| false, spent: None };
    assert_eq!(found(&problem, &[None; 4], &effort).steps, 0);
    let empty = Problem::default();
    assert_eq!(found(&empty, &[], &effort).assignment, []);
}
