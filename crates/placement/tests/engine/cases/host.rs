use std::collections::BTreeMap;

use icefield_placement::{Acceptance, Host};
use icefield_spec::{Bytes, Cpu, Name, PortRange, Reserve};
use proptest::collection::btree_set;
use proptest::prelude::*;
use proptest::sample::select;

use super::demand::resources;
use crate::fleet::name;

/// A node that is not called anything yet.
pub(super) fn host() -> impl Strategy<Value = Host> {
    let acceptance = prop_oneof![
        8 => Just(Acceptance::Ready),
        1 => Just(Acceptance::Cordoned),
        1 => Just(Acceptance::Suspect),
        1 => Just(Acceptance::Draining),
        1 => Just(Acceptance::Lost),
    ];
    let size = (select(&[0, 500, 1000, 2000, 4000][..]), select(&[0, 700, 1024, 4096, 8192][..]));
    let resources = prop_oneof![2 => Just(BTreeMap::new()).boxed(), 3 => resources().boxed()];
    let taints = prop_oneof![
        4 => Just(Default::default()),
        1 => btree_set(select(&["gpu", "old"][..]).prop_map(str::to_owned), 1..=2),
    ];
    (size, 100..104u16, 0..4u16, labels(), acceptance, resources, reserve(), taints).prop_map(
        |((cpu, memory), first, more, labels, acceptance, resources, reserve, taints)| Host {
            ports: PortRange::new(first, first + more).unwrap(),
            labels,
            acceptance,
            resources,
            reserve,
            taints,
            ..Host::new(name("unnamed"), Cpu::from_millis(cpu), Bytes::new(memory << 20))
        },
    )
}

/// `host` under a name.
pub(super) fn called(name: Name, mut host: Host) -> Host {
    host.labels.insert("node".into(), name.to_string());
    host.name = name;
    host
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let zone = select(&[None, Some("a"), Some("a"), Some("b"), Some("b"), Some("c")][..]);
    let disk = select(&[None, Some("ssd"), Some("ssd"), Some("hdd")][..]);
    let pool = select(&[None, Some("p"), Some("q")][..]);
    let age = select(&[None, Some("1"), Some("2"), Some("3"), Some("new")][..]);
    (zone, disk, pool, age).prop_map(|(zone, disk, pool, age)| {
        let labels = [("zone", zone), ("disk", disk), ("pool", pool), ("age", age)];
        labels.into_iter().filter_map(|(label, value)| Some((label.to_owned(), value?.to_owned()))).collect()
    })
}

fn reserve() -> impl Strategy<Value = Reserve> {
    let some = (select(&[0, 400, 5000][..]), select(&[0, 300, 1024][..]), resources());
    prop_oneof![
        4 => Just(Reserve::default()),
        1 => some.prop_map(|(cpu, memory, resources)| Reserve {
            cpu: Cpu::from_millis(cpu),
            memory: Bytes::new(memory << 20),
            resources,
        }),
    ]
}
