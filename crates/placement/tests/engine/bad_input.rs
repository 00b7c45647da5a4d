use std::time::{Duration, Instant};

use icefield_placement::Acceptance;
use icefield_spec::{Bytes, Cpu, Port, Prefer, Revision, Spread};

use crate::fleet::{Fleet, demand, host, name, ports};

#[test]
fn nothing_at_all_is_fine() {
    let mut fleet = Fleet::default();
    assert!(fleet.solve().changes.is_empty() && fleet.solve().unplaced.is_empty());
    fleet.add_service("web", [demand(0)]);
    assert!(fleet.solve().changes.is_empty() && fleet.solve().unplaced.is_empty());
}

#[test]
fn no_node_is_a_reason_of_its_own() {
    let mut fleet = Fleet::default();
    fleet.add_service("web", [demand(2)]);
    let solution = fleet.solve();
    assert_eq!(solution.unplaced.len(), 2);
    let [reason] = &solution.unplaced[0].reasons[..] else { panic!("{solution:?}") };
    assert_eq!((reason.rule.as_str(), reason.nodes, reason.fix.as_str()), ("fleet", 0, "declare a node or pool"));
}

#[test]
fn a_million_replicas_on_three_nodes_share_their_reasons() {
    let mut fleet = Fleet::default();
    for node in ["n1", "n2", "n3"] {
        fleet.add_host(host(node, &[]));
    }
    fleet.add_service("web", [demand(1_000_000)]);
    let started = Instant::now();
    let solution = fleet.solve();
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!((solution.changes.len(), solution.unplaced.len()), (48, 999_952));
    let first = &solution.unplaced[0].reasons;
    assert!(solution.unplaced.iter().all(|unplaced| std::sync::Arc::ptr_eq(&unplaced.reasons, first)));
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let mut fleet = Fleet::default();
    for node in ["n1", "n2"] {
        let mut host = host(node, &[("zone", "a")]);
        (host.cpu, host.memory) = (Cpu::from_millis(u64::MAX), Bytes::new(u64::MAX));
        fleet.add_host(host);
    }
    let mut huge = demand(5);
    (huge.cpu, huge.memory) = (Cpu::from_millis(u64::MAX), Bytes::new(u64::MAX - 1));
    huge.indexes.push(u32::MAX);
    huge.rules.prefer = vec![Prefer { label: "zone".into(), value: "a".into(), weight: i32::MIN }; 100_000];
    huge.rules.spread = vec![Spread { max: Some(u32::MAX), ..Spread::over("zone") }; 50];
    fleet.add_service("huge", [huge]);
    let mut small = demand(3);
    small.cpu = Cpu::from_millis(1);
    fleet.add_service("small", [small]);
    let solution = fleet.solve();
    assert_eq!((solution.changes.len(), solution.unplaced.len()), (2, 7));
    assert!(fleet.engine().explain(&"huge/0".parse().unwrap()).is_some());
    assert!(fleet.engine().explain(&"small/0".parse().unwrap()).is_some());
}

#[test]
fn contradictions_have_reasons() {
    let mut fleet = Fleet::default();
    fleet.add_host(host("n1", &[]));
    let mut twice = demand(1);
    twice.ports = ports(&[("a", Port::Fixed(80)), ("b", Port::Fixed(80))]);
    fleet.add_service("twice", [twice]);
    let mut none = demand(1);
    none.rules.spread = vec![Spread { max: Some(0), ..Spread::over("zone") }];
    none.rules.require.insert("zone".into(), icefield_spec::Condition::one_of([""; 0]));
    fleet.add_service("none", [none]);
    let solution = fleet.solve();
    let fixes: Vec<_> = solution.unplaced.iter().map(|unplaced| unplaced.reasons[0].fix.as_str()).collect();
    assert_eq!(fixes, ["drop require zone and the max of spread zone", "ask for port 80 under one name only"]);
}

#[test]
fn indexes_that_are_repeated_or_disordered_count_once() {
    let mut fleet = Fleet::default();
    fleet.add_host(host("n1", &[]));
    let (mut first, mut second) = (demand(0), demand(0));
    first.indexes = vec![4, 1, 4];
    (second.indexes, second.revision) = (vec![1, 2], Revision::of("two"));
    fleet.add_service("web", [first.clone(), second]);
    let placement = fleet.after(&fleet.solve()).placement;
    let web: Vec<_> = placement.service("web").map(|(index, at)| (index, at.revision == first.revision)).collect();
    assert_eq!(web, [(1, true), (2, false), (4, true)]);
}

#[test]
fn a_placement_on_nodes_and_of_services_that_are_not_there_is_cleared() {
    let mut fleet = Fleet::default();
    fleet.put("web/0", "n9", "one", &[]).put("web/7", "n1", "one", &[]).put("old/0", "n9", "one", &[]);
    let mut lost = host("n1", &[]);
    lost.acceptance = Acceptance::Lost;
    fleet.add_host(lost).add_service("web", [demand(1)]);
    let after = fleet.after(&fleet.solve());
    assert!(after.placement.is_empty());
    assert_eq!(after.placement.get(&"web/0".parse().unwrap()), None);
    assert_eq!(after.hosts[&name("n1")].acceptance, Acceptance::Lost);
}
