use std::collections::BTreeMap;

use icefield_placement::Demand;
use icefield_spec::{Amount, Bytes, Cpu, Port};
use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::rules::rules;
use super::{namespace, node};
use crate::fleet::name;

pub(super) fn demand() -> impl Strategy<Value = Demand> {
    let size = (select(&[0, 100, 500, 1000, 3000][..]), select(&[0, 64, 500, 1024, 5000][..]));
    let resources = prop_oneof![4 => Just(BTreeMap::new()).boxed(), 1 => resources().boxed()];
    let ports = prop_oneof![
        3 => Just(BTreeMap::new()),
        3 => btree_map(select(&["http", "admin", "rpc"][..]).prop_map(name), port(), 1..=3),
    ];
    let priority = prop_oneof![3 => Just(0), 1 => select(&[-1, 5, 9][..])];
    let ties = prop_oneof![6 => Just(BTreeMap::new()).boxed(), 1 => btree_map(0..6u32, node(), 1..=3).boxed()];
    let count = (select(&[0u32, 1, 2, 3, 6][..]), 0..3u32);
    let other = (prop::bool::weighted(0.1), priority, option::weighted(0.3, namespace()), ties);
    (count, size, resources, ports, rules(), other).prop_map(
        |((count, first), (cpu, memory), resources, ports, rules, (one_per_node, priority, namespace, ties))| Demand {
            indexes: (first..first + count).collect(),
            cpu: Cpu::from_millis(cpu),
            memory: Bytes::new(memory << 20),
            resources,
            ports,
            rules,
            one_per_node,
            priority,
            namespace,
            ties,
            ..crate::fleet::demand(0)
        },
    )
}

/// Some of what nodes have besides CPU and memory.
pub(super) fn resources() -> impl Strategy<Value = BTreeMap<String, Amount>> {
    let gpu = option::of((0..4u64).prop_map(Amount::Count));
    let tape =
        option::weighted(0.3, select(&[0, 5_000, 1 << 30][..]).prop_map(|bytes| Amount::Bytes(Bytes::new(bytes))));
    (gpu, tape).prop_map(|(gpu, tape)| {
        let all = [("gpu", gpu), ("tape", tape)];
        all.into_iter().filter_map(|(resource, amount)| Some((resource.to_owned(), amount?))).collect()
    })
}

fn port() -> impl Strategy<Value = Port> {
    prop_oneof![3 => Just(Port::Dynamic), 1 => select(&[101, 102, 8080][..]).prop_map(Port::Fixed)]
}
