//! What a person reads, rule by rule.

use icefield_placement::{Acceptance, Demand};
use icefield_spec::{Bytes, Cpu, Layout, Port, PortRange, Prefer, Revision, Spread};
use insta::assert_snapshot;

use crate::fleet::{Fleet, demand, host, name, ports};
use crate::texts::{explanation, solution};

/// Three nodes in two zones; n3 has no disk.
fn three() -> Fleet {
    let mut fleet = Fleet::default();
    fleet.add_host(host("n1", &[("zone", "a"), ("disk", "ssd")]));
    fleet.add_host(host("n2", &[("zone", "a"), ("disk", "hdd")]));
    fleet.add_host(host("n3", &[("zone", "b")]));
    fleet
}

fn with(change: impl FnOnce(&mut Demand)) -> Demand {
    let mut demand = demand(1);
    change(&mut demand);
    demand
}

fn spread(label: &str, max: Option<u32>) -> Spread {
    Spread { label: label.into(), max }
}

fn solved(fleet: &Fleet) -> String {
    solution(&fleet.solve())
}

#[test]
fn new_replicas_go_evenly_over_zones_and_get_the_lowest_ports() {
    let mut fleet = three();
    let mut web = demand(4);
    web.ports = ports(&[("admin", Port::Fixed(20_000)), ("http", Port::Dynamic), ("rpc", Port::Dynamic)]);
    web.rules.spread = vec![spread("zone", None), spread("node", None)];
    fleet.add_service("web", [web]);
    assert_snapshot!(solved(&fleet), @"
    web/0 → n1 admin=20000 http=20001 rpc=20002: new replica
    web/1 → n3 admin=20000 http=20001 rpc=20002: new replica
    web/2 → n2 admin=20000 http=20001 rpc=20002: new replica
    web/3 nowhere:
      port 20000 excludes 3 (n1 n2 n3): make port 20000 dynamic (web/0 has it on n1), or add a node like n1
    ");
}

#[test]
fn nodes_that_go_away() {
    let mut fleet = three();
    fleet.host("n1").acceptance = Acceptance::Lost;
    fleet.host("n2").acceptance = Acceptance::Draining;
    fleet.add_service("web", [demand(5)]);
    fleet.put("web/0", "n1", "one", &[]).put("web/1", "n2", "one", &[]).put("web/2", "n3", "one", &[]);
    fleet.put("web/3", "n4", "one", &[]);
    assert_snapshot!(solved(&fleet), @"
    web/0 n1 → n3: node n1 is lost
    web/1 n2 → n3: n2 is draining
    web/3 n4 → n3: node n4 is gone
    web/4 → n3: new replica
    ");
    fleet.host("n3").acceptance = Acceptance::Cordoned;
    assert_snapshot!(solved(&fleet), @"
    web/0 leaves n1: node n1 is lost, and no other node can take it
    web/1 leaves n2: n2 is draining, and no other node can take it
    web/3 leaves n4: node n4 is gone, and no other node can take it
    web/0 nowhere:
      lost excludes 1 (n1): bring n1 back
      draining excludes 1 (n2): uncordon n2
      cordoned excludes 1 (n3): uncordon n3
    web/1 nowhere:
      lost excludes 1 (n1): bring n1 back
      draining excludes 1 (n2): uncordon n2
      cordoned excludes 1 (n3): uncordon n3
    web/3 nowhere:
      lost excludes 1 (n1): bring n1 back
      draining excludes 1 (n2): uncordon n2
      cordoned excludes 1 (n3): uncordon n3
    web/4 nowhere:
      lost excludes 1 (n1): bring n1 back
      draining excludes 1 (n2): uncordon n2
      cordoned excludes 1 (n3): uncordon n3
    ");
}

#[test]
fn what_is_not_wanted_any_more() {
    let mut fleet = three();
    fleet.add_service("web", [with(|web| web.indexes = vec![1])]);
    fleet.put("web/0", "n1", "one", &[]).put("web/1", "n2", "one", &[]).put("web/2", "n3", "one", &[]);
    fleet.put("old/0", "n1", "one", &[]);
    assert_snapshot!(solved(&fleet), @"
    old/0 leaves n1: service is gone
    web/0 leaves n1: replica 0 is not wanted any more
    web/2 leaves n3: scaled down to 1
    ");
}

#[test]
fn a_new_revision_stays_where_the_old_one_is_if_it_fits() {
    let mut fleet = three();
    let mut new = demand(2);
    new.revision = Revision::of("two");
    new.cpu = Cpu::from_millis(1500);
    new.ports = ports(&[("http", Port::Dynamic)]);
    fleet.add_service("web", [new]).add_service("db", [with(|db| db.cpu = Cpu::from_millis(3000))]);
    fleet.put("web/0", "n1", "one", &[("http", 20_003)]).put("web/1", "n2", "one", &[("http", 20_004)]);
    fleet.put("db/0", "n2", "one", &[]);
    assert_snapshot!(solved(&fleet), @"
    web/0 stays on n1 http=20003: revision 98d5b6c239 → b5db43a5f1
    web/1 n2 → n3 http=20000: revision 98d5b6c239 → b5db43a5f1: cpu of n2 is exceeded
    ");
}

#[test]
fn ports_that_no_longer_hold_are_replaced() {
    let mut fleet = three();
    fleet.host("n1").ports = PortRange::new(20_005, 20_009).unwrap();
    let mut web = demand(3);
    web.ports = ports(&[("http", Port::Dynamic)]);
    fleet.add_service("web", [web]);
    fleet.put("web/0", "n1", "one", &[("http", 20_001)]).put("web/1", "n1", "one", &[("http", 20_005)]);
    fleet.put("web/2", "n1", "one", &[("http", 20_005)]);
    assert_snapshot!(solved(&fleet), @"
    web/0 stays on n1 http=20006: port http 20001 → 20006
    web/2 stays on n1 http=20007: port http 20005 → 20007
    ");
}

#[test]
fn rules_that_no_longer_hold_move_the_highest_indexes() {
    let mut fleet = three();
    fleet.host("n1").memory = Bytes::new(700 << 20);
    fleet.add_service("big", [demand(3)]);
    fleet.put("big/0", "n1", "one", &[]).put("big/1", "n1", "one", &[]).put("big/2", "n1", "one", &[]);
    fleet.add_service("ssd", [with(|ssd| drop(ssd.rules.require.insert("disk".into(), vec!["ssd".into()])))]);
    fleet.put("ssd/0", "n2", "one", &[]);
    let mut even = demand(2);
    even.rules.spread = vec![spread("zone", Some(1))];
    fleet.add_service("even", [even]);
    fleet.put("even/0", "n1", "one", &[]).put("even/1", "n2", "one", &[]);
    let mut single = demand(2);
    single.one_per_node = true;
    fleet.add_service("single", [single]);
    fleet.put("single/0", "n3", "one", &[]).put("single/1", "n3", "one", &[]);
    let mut fixed = demand(2);
    fixed.ports = ports(&[("http", Port::Fixed(80))]);
    fleet.add_service("fixed", [fixed]);
    fleet.put("fixed/0", "n3", "one", &[("http", 80)]).put("fixed/1", "n3", "one", &[("http", 80)]);
    assert_snapshot!(solved(&fleet), @"
    big/1 n1 → n2: memory of n1 is exceeded
    big/2 n1 → n2: memory of n1 is exceeded
    even/1 n2 → n3: at most 1 may be in zone a
    fixed/1 n3 → n2 http=80: port 80 of n3 is taken by fixed/0
    single/1 n3 → n2: n3 has single/0 already, and only one may be there
    ssd/0 leaves n2: n2 no longer has disk=ssd, and no other node can take it
    ssd/0 nowhere:
      require disk=ssd excludes 2 (n2 n3): give n3 the label disk=ssd
      memory excludes 1 (n1): lower memory to 188MiB (n1 has that free)
    ");
}

#[test]
fn too_little_cpu_or_memory() {
    let mut fleet = three();
    fleet.add_service("a", [with(|a| a.cpu = Cpu::from_millis(5000))]);
    fleet.add_service("b", [with(|b| b.memory = Bytes::new(9_000_000_000))]);
    fleet.add_service("c", [with(|c| (c.cpu, c.memory) = (Cpu::from_millis(5000), Bytes::new(9_000_000_000)))]);
    fleet.add_service("d", [with(|d| (d.indexes, d.cpu) = ((0..4).collect(), Cpu::from_millis(3900)))]);
    assert_snapshot!(solved(&fleet), @"
    d/0 → n1: new replica
    d/1 → n2: new replica
    d/2 → n3: new replica
    a/0 nowhere:
      cpu excludes 3 (n1 n2 n3): give n1 4900m more cpu, or add a node like n1 with at least 5 cpu
    b/0 nowhere:
      cpu excludes 3 (n1 n2 n3): lower cpu to 100m (n1 has that free), and also lower memory to 7.7GiB (n1 has that free)
    c/0 nowhere:
      cpu excludes 3 (n1 n2 n3): add a node like n1 with at least 5 cpu and 8.4GiB memory
    d/3 nowhere:
      cpu excludes 3 (n1 n2 n3): free 3800m cpu on n1, or add a node like n1
    ");
}

#[test]
fn labels_that_no_node_or_too_few_have() {
    let mut fleet = three();
    let require = |label: &str, values: &[&str]| {
        with(|demand| {
            let values = values.iter().map(|value| value.to_string()).collect();
            demand.rules.require.insert(label.into(), values);
        })
    };
    fleet.add_service("a", [require("disk", &["nvme", "tape"])]);
    fleet.add_service("b", [require("node", &["n9"])]);
    fleet.add_service("c", [require("pool", &["workers"])]);
    assert_snapshot!(solved(&fleet), @"
    a/0 nowhere:
      require disk=nvme or tape excludes 3 (n1 n2 n3): give n3 the label disk=nvme
    b/0 nowhere:
      require node=n9 excludes 3 (n1 n2 n3): allow node=n1
    c/0 nowhere:
      require pool=workers excludes 3 (n1 n2 n3): drop require pool
    ");
}

#[test]
fn limits_of_a_spread() {
    let mut fleet = three();
    let mut zones = demand(3);
    zones.rules.spread = vec![spread("zone", Some(1))];
    let mut nodes = demand(4);
    nodes.rules.spread = vec![spread("node", Some(1))];
    let mut disks = demand(3);
    disks.rules.spread = vec![spread("disk", Some(1))];
    fleet.add_service("disks", [disks]).add_service("nodes", [nodes]).add_service("zones", [zones]);
    let text = solution(&fleet.solve());
    let nowhere = text.split_once("disks/2 nowhere").unwrap().1;
    assert_snapshot!(nowhere, @"
    :
      spread disk max 1 excludes 3 (n1 n2 n3): raise max of spread disk to 2, or add a node like n1 in another disk
    nodes/3 nowhere:
      spread node max 1 excludes 3 (n1 n2 n3): raise max of spread node to 2, or add a node like n1
    zones/2 nowhere:
      spread zone max 1 excludes 3 (n1 n2 n3): raise max of spread zone to 2, or add a node like n1 in another zone
    ");
}

#[test]
fn ports_in_use() {
    let mut fleet = Fleet::default();
    fleet.add_host(host("n1", &[]));
    fleet.add_service("db", [with(|db| db.ports = ports(&[("sql", Port::Fixed(5432))]))]);
    fleet.add_service("pg", [with(|pg| (pg.cpu, pg.ports) = (Cpu::default(), ports(&[("sql", Port::Fixed(5432))])))]);
    fleet.add_service(
        "web",
        [with(|web| {
            (web.indexes, web.ports) = ((0..11).collect(), ports(&[("http", Port::Dynamic)]));
        })],
    );
    fleet.add_service(
        "own",
        [with(|own| {
            (own.indexes, own.ports) = ((0..2).collect(), ports(&[("dns", Port::Fixed(53))]));
        })],
    );
    let text = solution(&fleet.solve());
    assert_snapshot!(text.split_once("web/9 ").unwrap().1, @"
    → n1 http=20009: new replica
    own/1 nowhere:
      port 53 excludes 1 (n1): add a node like n1
    pg/0 nowhere:
      port 5432 excludes 1 (n1): free port 5432 on n1 (used by db/0), or add a node like n1
    web/10 nowhere:
      dynamic ports excludes 1 (n1): give n1 1 more dynamic port
    ");
}

#[test]
fn several_rules_at_once() {
    let mut fleet = three();
    fleet.host("n1").acceptance = Acceptance::Lost;
    fleet.host("n2").acceptance = Acceptance::Draining;
    fleet.host("n3").acceptance = Acceptance::Cordoned;
    fleet.add_service("web", [with(|web| web.cpu = Cpu::from_millis(6000))]);
    fleet.add_service("node-wide", [with(|single| single.one_per_node = true)]);
    assert_snapshot!(solved(&fleet), @"
    node-wide/0 nowhere:
      lost excludes 1 (n1): bring n1 back
      draining excludes 1 (n2): uncordon n2
      cordoned excludes 1 (n3): uncordon n3
    web/0 nowhere:
      lost excludes 1 (n1): bring n1 back, and also lower cpu to 4 (n1 has that free)
      draining excludes 1 (n2): uncordon n2, and also lower cpu to 4 (n2 has that free)
      cordoned excludes 1 (n3): uncordon n3, and also lower cpu to 4 (n3 has that free)
    ");
}

#[test]
fn why_here() {
    let mut fleet = three();
    let mut web = demand(3);
    web.rules.spread = vec![spread("zone", None), spread("node", Some(2))];
    web.rules.prefer = vec![Prefer { label: "disk".into(), value: "ssd".into(), weight: 10 }];
    fleet.add_service("web", [web]);
    fleet.host("n2").cpu = Cpu::from_millis(100);
    let engine = fleet.engine();
    assert_snapshot!(explanation(&engine.explain(&"web/0".parse().unwrap()).unwrap()), @"
    web/0 n1
      -128.00 spread over zone: 1 of 2 other replicas is in zone a
      -64.00 spread over node: 1 of 2 other replicas is on node n1
      +10.00 prefer disk=ssd: n1 has disk=ssd
      +0.88 balanced: 12% of its cpu would be in use
    else n3
      -128.00 spread over zone: 1 of 2 other replicas is in zone b
      -64.00 spread over node: 1 of 2 other replicas is on node n3
      +0.00 prefer disk=ssd: n3 has no disk
      +0.88 balanced: 12% of its cpu would be in use
      cpu excludes 1 (n2): lower cpu to 100m (n2 has that free)
    ");
    assert_snapshot!(explanation(&engine.explain(&"web/2".parse().unwrap()).unwrap()), @"
    web/2 n1
      -128.00 spread over zone: 1 of 2 other replicas is in zone a
      -64.00 spread over node: 1 of 2 other replicas is on node n1
      +10.00 prefer disk=ssd: n1 has disk=ssd
      +0.88 balanced: 12% of its cpu would be in use
    else n3
      -128.00 spread over zone: 1 of 2 other replicas is in zone b
      -64.00 spread over node: 1 of 2 other replicas is on node n3
      +0.00 prefer disk=ssd: n3 has no disk
      +0.88 balanced: 12% of its cpu would be in use
      cpu excludes 1 (n2): lower cpu to 100m (n2 has that free)
    ");
}

#[test]
fn why_nowhere() {
    let mut fleet = three();
    fleet.add_service("web", [with(|web| web.cpu = Cpu::from_millis(6000))]);
    let engine = fleet.engine();
    assert_snapshot!(explanation(&engine.explain(&"web/0".parse().unwrap()).unwrap()), @"
    web/0 nowhere
      cpu excludes 3 (n1 n2 n3): lower cpu to 4 (n1 has that free)
    ");
    assert!(engine.explain(&"web/1".parse().unwrap()).is_none());
}

#[test]
fn preferences_decide_within_an_even_spread() {
    let mut fleet = three();
    let mut web = demand(5);
    web.rules.spread = vec![spread("zone", None)];
    web.rules.prefer = vec![Prefer { label: "node".into(), value: "n2".into(), weight: 100 }];
    fleet.add_service("web", [web]);
    let on = |node: &str, fleet: &Fleet| fleet.placement.iter().filter(|(_, at)| at.node == name(node)).count();
    let after = fleet.after(&fleet.solve());
    assert_eq!(["n1", "n2", "n3"].map(|node| on(node, &after)), [0, 3, 2]);
}

#[test]
fn packed_services_fill_one_node_and_balanced_ones_level() {
    let mut fleet = three();
    let mut packed = demand(16);
    packed.rules.layout = Layout::Packed;
    fleet.add_service("packed", [packed]);
    let on = |node: &str, fleet: &Fleet| fleet.placement.iter().filter(|(_, at)| at.node == name(node)).count();
    let after = fleet.after(&fleet.solve());
    assert_eq!(["n1", "n2", "n3"].map(|node| on(node, &after)), [16, 0, 0]);
    fleet.add_service("packed", []).add_service("level", [demand(16)]);
    let after = fleet.after(&fleet.solve());
    assert_eq!(["n1", "n2", "n3"].map(|node| on(node, &after)), [6, 5, 5]);
}

#[test]
fn what_has_little_choice_goes_first() {
    let mut fleet = three();
    let mut anywhere = demand(2);
    anywhere.cpu = Cpu::from_millis(4000);
    fleet.add_service("anywhere", [anywhere]);
    fleet.add_service("small", [with(|small| drop(small.rules.require.insert("disk".into(), vec!["ssd".into()])))]);
    let solution = fleet.solve();
    assert!(solution.unplaced.is_empty(), "{solution:?}");
}
