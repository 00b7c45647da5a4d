use std::collections::BTreeMap;

use icefield_spec::{Company, Condition, Layout, Prefer, Rules, Spread};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fleet::name;

const LABELS: [&str; 6] = ["zone", "disk", "node", "pool", "gone", "age"];

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let prefer = (label(), value(), -100..=100).prop_map(|(label, value, weight)| Prefer { label, value, weight });
    let spreads = prop_oneof![2 => Just(vec![]).boxed(), 3 => vec(spread(), 1..=3).boxed()];
    let tolerate = vec(select(&["gpu", "old", "none"][..]).prop_map(str::to_owned), 0..=2);
    let layout = select(&[Layout::Balanced, Layout::Packed, Layout::Balanced, Layout::Any][..]);
    (require(), vec(prefer, 0..=2), spreads, companies(), companies(), tolerate, layout).prop_map(
        |(require, prefer, spread, keep_with, keep_from, tolerate, layout)| Rules {
            require,
            prefer,
            spread,
            keep_with,
            keep_from,
            tolerate,
            layout,
            move_cost: None,
        },
    )
}

fn require() -> impl Strategy<Value = BTreeMap<String, Condition>> {
    prop_oneof![
        4 => Just(BTreeMap::new()),
        1 => btree_map(label(), vec(value(), 0..=3).prop_map(Condition::one_of), 1..=2),
        1 => btree_map(Just("disk".to_owned()), Just(Condition::one_of(["ssd"])), 1),
        1 => btree_map(Just("zone".to_owned()), Just(Condition::one_of(["a", "b"])), 1),
        2 => btree_map(label(), condition(), 1..=2),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let number = || option::weighted(0.2, 0..4i64);
    let any_of = option::weighted(0.2, vec(value(), 0..=3));
    (any_of, vec(value(), 0..=1), option::weighted(0.3, any::<bool>()), number(), number()).prop_map(
        |(any_of, none_of, exists, at_least, at_most)| Condition { any_of, none_of, exists, at_least, at_most },
    )
}

fn spread() -> impl Strategy<Value = Spread> {
    let label = select(&["zone", "zone", "node", "disk", "pool", "gone", "age"][..]);
    let seldom = |most: u32| option::weighted(0.15, 0..most);
    let weight = option::weighted(0.2, select(&[0, 1, 60, 200, u32::MAX][..]));
    (label, option::weighted(0.3, 0..4u32), seldom(3), seldom(5), weight).prop_map(
        |(label, max, max_skew, min_domains, weight)| Spread {
            max,
            max_skew,
            min_domains,
            weight,
            ..Spread::over(label)
        },
    )
}

/// Mostly none.
fn companies() -> impl Strategy<Value = Vec<Company>> {
    let label = select(&["node", "zone", "zone", "disk", "gone"][..]);
    let company = (0..7u8, label)
        .prop_map(|(service, label)| Company { service: name(&format!("s{service}")), label: label.to_owned() });
    prop_oneof![6 => Just(vec![]).boxed(), 1 => vec(company, 1..=2).boxed()]
}

fn label() -> impl Strategy<Value = String> {
    select(&LABELS[..]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    select(&["a", "b", "ssd", "hdd", "n1", "p", "2", "nowhere"][..]).prop_map(str::to_owned)
}
