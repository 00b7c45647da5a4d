//! Small fleets of every kind, the absurd among them.

use std::collections::BTreeMap;

use icefield_placement::{Acceptance, Assignment, Demand, Host, Placement, ReplicaId};
use icefield_spec::{Bytes, Condition, Cpu, Layout, Name, Port, PortRange, Prefer, Revision, Rules, Spread};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fleet::{Fleet, name};

const LABELS: [&str; 5] = ["zone", "disk", "node", "pool", "gone"];

/// A fleet of up to 12 nodes and 6 services; what runs may be of other services, on other nodes, at other revisions.
pub(crate) fn fleet() -> impl Strategy<Value = Fleet> {
    (vec(host(), 0..=12), vec(vec(demand(), 1..=2), 0..=6), vec(standing(), 0..=20)).prop_map(
        |(hosts, services, standing)| {
            let hosts = hosts.into_iter().enumerate().map(|(at, mut host)| {
                host.name = name(&format!("n{at}"));
                host.labels.insert("node".into(), host.name.to_string());
                (host.name.clone(), host)
            });
            let services = services.into_iter().enumerate().map(|(at, mut demands)| {
                // The first demand has the lower indexes, mostly.
                if let [first, second] = &mut demands[..] {
                    second.indexes.retain(|index| *index == 3 || !first.indexes.contains(index));
                    second.revision = Revision::of("two");
                }
                (name(&format!("s{at}")), demands)
            });
            Fleet {
                hosts: hosts.collect(),
                services: services.collect(),
                placement: standing.into_iter().collect::<Placement>(),
                ..Fleet::default()
            }
        },
    )
}

fn host() -> impl Strategy<Value = Host> {
    let zone = select(&[None, Some("a"), Some("a"), Some("b"), Some("b"), Some("c")][..]);
    let disk = select(&[None, Some("ssd"), Some("ssd"), Some("hdd")][..]);
    let pool = select(&[None, Some("p"), Some("q")][..]);
    let acceptance = prop_oneof![
        8 => Just(Acceptance::Ready),
        1 => Just(Acceptance::Cordoned),
        1 => Just(Acceptance::Draining),
        1 => Just(Acceptance::Lost),
    ];
    let size = (select(&[0, 500, 1000, 2000, 4000][..]), select(&[0, 700, 1024, 4096, 8192][..]));
    (size, 100..104u16, 0..4u16, zone, disk, pool, acceptance).prop_map(
        |((cpu, memory), first, more, zone, disk, pool, acceptance)| {
            let labels = [("zone", zone), ("disk", disk), ("pool", pool)];
            let labels = labels.into_iter().filter_map(|(label, value)| Some((label.to_owned(), value?.to_owned())));
            Host {
                ports: PortRange::new(first, first + more).unwrap(),
                labels: labels.collect(),
                acceptance,
                ..Host::new(name("unnamed"), Cpu::from_millis(cpu), Bytes::new(memory << 20))
            }
        },
    )
}

fn demand() -> impl Strategy<Value = Demand> {
    let size = (select(&[0, 100, 500, 1000, 3000][..]), select(&[0, 64, 500, 1024, 5000][..]));
    let ports = prop_oneof![
        3 => Just(BTreeMap::new()),
        3 => btree_map(select(&["http", "admin", "rpc"][..]).prop_map(name), port(), 1..=3),
    ];
    (select(&[0u32, 1, 2, 3, 6][..]), 0..3u32, size, ports, rules(), prop::bool::weighted(0.1)).prop_map(
        |(count, first, (cpu, memory), ports, rules, one_per_node)| Demand {
            indexes: (first..first + count).collect(),
            cpu: Cpu::from_millis(cpu),
            memory: Bytes::new(memory << 20),
            ports,
            rules,
            one_per_node,
            ..crate::fleet::demand(0)
        },
    )
}

fn port() -> impl Strategy<Value = Port> {
    prop_oneof![3 => Just(Port::Dynamic), 1 => select(&[101, 102, 8080][..]).prop_map(Port::Fixed)]
}

fn label() -> impl Strategy<Value = String> {
    select(&LABELS[..]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    select(&["a", "b", "ssd", "hdd", "n1", "p", "nowhere"][..]).prop_map(str::to_owned)
}

fn rules() -> impl Strategy<Value = Rules> {
    let require = prop_oneof![
        3 => Just(BTreeMap::new()),
        1 => btree_map(label(), vec(value(), 0..=3).prop_map(Condition::one_of), 1..=2),
        1 => btree_map(Just("disk".to_owned()), Just(Condition::one_of(["ssd"])), 1),
        1 => btree_map(Just("zone".to_owned()), Just(Condition::one_of(["a", "b"])), 1),
    ];
    let prefer = (label(), value(), -100..=100).prop_map(|(label, value, weight)| Prefer { label, value, weight });
    let max = prop_oneof![2 => Just(None), 3 => option::of(0..4u32)];
    let spread = (select(&["zone", "zone", "node", "disk", "pool", "gone"][..]), max)
        .prop_map(|(label, max)| Spread { max, ..Spread::over(label) });
    let layout = select(&[Layout::Balanced, Layout::Packed][..]);
    (require, vec(prefer, 0..=2), prop_oneof![2 => Just(vec![]).boxed(), 3 => vec(spread, 1..=3).boxed()], layout)
        .prop_map(|(require, prefer, spread, layout)| Rules { require, prefer, spread, layout, ..Rules::default() })
}

fn standing() -> impl Strategy<Value = (ReplicaId, Assignment)> {
    let ports =
        btree_map(select(&["http", "admin", "rpc"][..]).prop_map(name), select(&[101, 102, 103, 8080][..]), 0..=2);
    (0..7u8, 0..8u32, 0..14u8, select(&["one", "two", "old"][..]), ports).prop_map(
        |(service, index, node, revision, ports)| {
            let at = Assignment { node: name(&format!("n{node}")), revision: Revision::of(revision), ports };
            (ReplicaId::new(name(&format!("s{service}")), index), at)
        },
    )
}

/// A name that no node of a case has.
pub(crate) fn other_node() -> Name {
    name("another")
}
