//! The engine against an exact answer, for cases small enough that there is one.

#[path = "../engine/fleet.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod fleet;

mod case;
mod optimum;

use icefield_placement::Effort;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use case::Case;
use optimum::optimum;

/// What the engine comes to.
fn found(case: &Case) -> (usize, i64) {
    let effort = Effort { seed: 1, threads: 1, steps: Some(20_000), moves: None, stop: &|| false, spent: None };
    let improvement = case.fleet.engine().improve(&effort, &mut |_| ());
    let counts = case.counts(&improvement.changes);
    (improvement.unplaced.len(), case.cost(&counts))
}

#[test]
fn all_is_placed_that_can_be_and_costs_little_more_than_it_must() {
    let mut runner = TestRunner::deterministic();
    let (mut ours, mut best, mut whole) = (0_i128, 0_i128, 0);
    for _ in 0..400 {
        let case = case::cases().new_tree(&mut runner).unwrap().current();
        let (left, least) = optimum(&case);
        let (unplaced, cost) = found(&case);
        assert!(unplaced >= left, "the exact answer is no answer: {unplaced} < {left} for {case:?}");
        // Where not all can be placed, the engine need not leave as few as can be.
        if left > 0 {
            continue;
        }
        assert_eq!(unplaced, 0, "{case:?}");
        assert!(cost >= least - 1000, "the exact answer is no answer: {cost} < {least} for {case:?}");
        (ours, best, whole) = (ours + i128::from(cost), best + i128::from(least), whole + 1);
    }
    assert!(whole > 100 && best > 0, "{whole} of the cases can be placed whole");
    assert!(ours * 100 <= best * 102, "{ours} is more than 2 % above {best} in {whole} cases");
}
