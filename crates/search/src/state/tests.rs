use proptest::prelude::*;

use super::State;
use crate::sample::{Draw, draws, problem};
use crate::{Problem, Rule, evaluate};

/// What the definitions say: the cost, and by how much capacities are exceeded and other rules broken.
fn truth(problem: &Problem, state: &State<'_>) -> (crate::Cost, (i64, i64)) {
    let (cost, violations) = evaluate(problem, &state.layout()).unwrap();
    let is_capacity = |rule: &Rule| matches!(rule, Rule::Capacity { .. });
    let (capacity, others): (Vec<_>, Vec<_>) = violations.iter().partition(|violation| is_capacity(&violation.rule));
    let sum = |violations: Vec<&crate::Violation>| violations.iter().map(|violation| violation.by).sum();
    (cost, (sum(capacity), sum(others)))
}

fn faults(state: &State<'_>) -> (i64, i64) {
    (state.excess, state.broken)
}

fn start<'p>(draw: &mut Draw, problem: &'p Problem) -> State<'p> {
    let layout: Vec<Option<u32>> = problem.replicas.iter().map(|_| draw.place(problem)).collect();
    State::new(problem, &layout).unwrap()
}

/// The cost with what excess counts, from what each node has free.
fn strained(state: &State<'_>) -> i64 {
    let excess = state.free.chunks(state.penalty.len()).flat_map(|free| free.iter().zip(&state.penalty));
    state.cost().amount + excess.map(|(free, penalty)| (-free).max(0) * penalty).sum::<i64>()
}

/// A change that may exceed capacities is predicted with what that counts, wherever a strict one is.
fn check_lenient(before: &State<'_>, after: &State<'_>, predicted: Option<i64>, strict: Option<i64>) {
    assert!(predicted.is_some() || strict.is_none());
    if let Some(change) = predicted {
        assert_eq!(strained(after) - strained(before), change);
        assert!(after.broken <= before.broken);
    }
}

/// A predicted change is what the change then is, and makes no fault; where nothing was predicted, it would have.
fn check_prediction(before: &State<'_>, after: &State<'_>, predicted: Option<i64>, may_refuse: bool) {
    let ((excess, broken), (more_excess, more_broken)) = (faults(before), faults(after));
    match predicted {
        Some(change) => {
            assert_eq!(after.cost().amount - before.cost().amount, change);
            assert!(more_excess <= excess && more_broken <= broken, "{:?} became {:?}", faults(before), faults(after));
        }
        None => assert!(may_refuse || !before.is_valid() || !after.is_valid(), "refused what is valid"),
    }
}

fn moved<'p>(state: &State<'p>, places: &[(u32, u32)]) -> State<'p> {
    let mut after = state.clone();
    for (replica, _) in places {
        after.take(*replica);
    }
    places.iter().for_each(|(replica, node)| after.put(*replica, *node));
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn counts_what_the_definitions_say(mut draw in draws()) {
        let problem = problem(&mut draw);
        let mut state = start(&mut draw, &problem);
        for _ in 0..12 {
            prop_assert_eq!((state.cost(), faults(&state)), truth(&problem, &state));
            let replica = draw.below(problem.replicas.len()) as u32;
            state.take(replica);
            if let Some(node) = draw.place(&problem) {
                state.put(replica, node);
            }
        }
    }

    #[test]
    fn admits_what_breaks_nothing(mut draw in draws()) {
        let problem = problem(&mut draw);
        let mut state = start(&mut draw, &problem);
        for replica in 0..problem.replicas.len() as u32 {
            let was = state.take(replica);
            for node in 0..problem.nodes.len() as u32 {
                let after = moved(&state, &[(replica, node)]);
                prop_assert_eq!(state.placing(replica, node).is_some(), state.admits(replica, node));
                check_prediction(&state, &after, state.placing(replica, node), false);
            }
            if let Some(node) = was {
                state.put(replica, node);
            }
        }
    }

    #[test]
    fn predicts_moves(mut draw in draws()) {
        let problem = problem(&mut draw);
        let mut state = start(&mut draw, &problem);
        // Mostly look at layouts that break nothing: in others, much is refused.
        for replica in 0..problem.replicas.len() as u32 {
            if !state.is_valid() {
                state.take(replica);
            }
        }
        let penalty: Vec<i64> = problem.resources.iter().map(|_| draw.number(5)).collect();
        state.set_penalty(penalty);
        for _ in 0..30 {
            let (first, second) = (draw.below(problem.replicas.len()) as u32, draw.below(problem.replicas.len()) as u32);
            let to = draw.below(problem.nodes.len()) as u32;
            let Some(one) = state.node_of(first) else { continue };
            if one != to {
                let after = moved(&state, &[(first, to)]);
                check_lenient(&state, &after, state.shift_if::<false>(first, to), state.shift(first, to));
                check_prediction(&state, &after, state.shift(first, to), false);
            }
            let Some(two) = state.node_of(second).filter(|two| *two != one) else { continue };
            let linked = state.model.rules[state.model.service(first)].is_linked_with(state.model.service(second));
            let after = moved(&state, &[(first, two), (second, one)]);
            check_prediction(&state, &after, state.swap(first, second), linked);
            check_lenient(&state, &after, state.swap_if::<false>(first, second), state.swap(first, second));
            if to != one && to != two {
                let after = moved(&state, &[(first, two), (second, to)]);
                check_prediction(&state, &after, state.chain(first, second, to), linked);
                let strict = state.chain(first, second, to);
                check_lenient(&state, &after, state.chain_if::<false>(first, second, to), strict);
            }
            // Through layouts that exceed something, and back.
            if state.shift_if::<false>(first, to).is_some() {
                state = moved(&state, &[(first, to)]);
            }
        }
    }
}
