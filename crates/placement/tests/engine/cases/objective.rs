use icefield_placement::{Balance, Objective, Weight};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

/// What makes a placement good; mostly nothing besides what the services prefer.
pub(super) fn objective() -> impl Strategy<Value = Objective> {
    let some = (
        prop_oneof![2 => Just(Default::default()), 1 => btree_set(resource(), 1..=2)],
        prop_oneof![1 => Just(Default::default()), 1 => btree_map(resource(), weight(), 1..=2)],
        prop_oneof![1 => Just(vec![]).boxed(), 1 => vec(balance(), 1..=2).boxed()],
    );
    prop_oneof![
        2 => Just(Objective::default()),
        1 => some.prop_map(|(transient, soft_reserve, balance)| Objective {
            transient,
            soft_reserve,
            balance,
            ..Objective::default()
        }),
    ]
}

fn balance() -> impl Strategy<Value = Balance> {
    (resource(), resource(), 0..3u64, select(&[0, 1, 1000, 1 << 20][..]), weight())
        .prop_map(|(resource, with, target, ratio, weight)| Balance { resource, with, target, ratio, weight })
}

fn resource() -> impl Strategy<Value = String> {
    select(&["cpu", "memory", "gpu", "tape", "none"][..]).prop_map(str::to_owned)
}

fn weight() -> impl Strategy<Value = Weight> {
    (select(&[0, 1, 1_000_000, 1 << 40][..]), select(&[0, 10, 30, 62][..]))
        .prop_map(|(factor, shift)| Weight { factor, shift })
}
