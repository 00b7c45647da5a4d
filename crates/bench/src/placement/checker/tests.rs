//! Each rule broken once by hand is found, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_placement::{Acceptance, Assignment, Demand, Exclusion, Host, Placement, ReplicaId, Unplaced};
use icefield_spec::{Amount, Bytes, Company, Condition, Cpu, Name, Port, Quota, Reserve, Revision, Spread};

use super::{Case, check};

/// Four nodes in two zones, of 1 core, 1,000 bytes and 4 cards each; n4 has no zone. Service `a` is on n1 and n3.
struct Given {
    hosts: BTreeMap<Name, Host>,
    services: BTreeMap<Name, Vec<Demand>>,
    quotas: BTreeMap<Name, Quota>,
    placement: Placement,
    unplaced: Vec<Unplaced>,
    cold: bool,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn demand(revision: &str, replicas: u32) -> Demand {
    Demand {
        revision: Revision::of(revision),
        indexes: (0..replicas).collect(),
        cpu: Cpu::from_millis(400),
        memory: Bytes::new(400),
        resources: BTreeMap::from([("card".into(), Amount::Count(1))]),
        ports: BTreeMap::new(),
        rules: icefield_spec::Rules::default(),
        one_per_node: false,
        driver: None,
        priority: 0,
        namespace: None,
        ties: BTreeMap::new(),
        beside: false,
    }
}

impl Given {
    fn new() -> Self {
        let host = |node: &str, zone: Option<&str>| {
            let mut host = Host::new(name(node), Cpu::from_millis(1_000), Bytes::new(1_000));
            host.resources.insert("card".into(), Amount::Count(4));
            host.labels.extend(zone.map(|zone| ("zone".into(), zone.into())));
            (name(node), host)
        };
        let hosts = [host("n1", Some("x")), host("n2", Some("x")), host("n3", Some("y")), host("n4", None)];
        let mut given = Self {
            hosts: BTreeMap::from(hosts),
            services: BTreeMap::from([(name("a"), vec![demand("a", 2)])]),
            quotas: BTreeMap::new(),
            placement: Placement::default(),
            unplaced: Vec::new(),
            cold: true,
        };
        given.put("a/0", "n1");
        given.put("a/1", "n3");
        given
    }

    /// Puts a replica somewhere as it is wanted, without ports.
    fn put(&mut self, replica: &str, node: &str) {
        let id: ReplicaId = replica.parse().unwrap();
        let revision = self.services.get(&id.service).map_or_else(|| Revision::of("?"), |demands| demands[0].revision);
        self.placement.insert(id, Assignment { node: name(node), revision, ports: BTreeMap::new() });
    }

    /// Another service, with its first replica on `node`.
    fn and(&mut self, service: &str, node: &str) {
        self.services.insert(name(service), vec![demand(service, 1)]);
        self.put(&format!("{service}/0"), node);
    }

    fn a(&mut self) -> &mut Demand {
        &mut self.services.get_mut("a").unwrap()[0]
    }

    fn host(&mut self, node: &str) -> &mut Host {
        self.hosts.get_mut(node).unwrap()
    }

    fn port(&mut self, replica: &str, port: &str, number: u16) {
        let id = replica.parse().unwrap();
        let mut at = self.placement.remove(&id).unwrap();
        at.ports.insert(name(port), number);
        self.placement.insert(id, at);
    }

    fn check(&self) -> Vec<String> {
        let Self { hosts, services, quotas, placement, unplaced, cold } = self;
        let found = check(&Case { hosts, services, quotas, placement, unplaced, cold: *cold });
        assert_eq!(found.count, found.first.len() as u64);
        found.first
    }
}

/// What is found after `change`.
fn after(change: impl FnOnce(&mut Given)) -> Vec<String> {
    let mut given = Given::new();
    change(&mut given);
    given.check()
}

fn company(service: &str, label: &str) -> Vec<Company> {
    vec![Company { service: name(service), label: label.into() }]
}

fn nowhere(replica: &str) -> Unplaced {
    let reason = Exclusion { rule: "cpu".into(), nodes: 4, examples: Vec::new(), fix: "lower cpu".into() };
    Unplaced { replica: replica.parse().unwrap(), reasons: Arc::new(vec![reason]) }
}

#[test]
fn what_is_right_is_not_reported() {
    assert_eq!(after(|_| {}), [""; 0]);
}

#[test]
fn what_is_placed_and_what_is_wanted() {
    assert_eq!(after(|given| given.put("a/2", "n2")), ["a/2 is placed but not wanted"]);
    assert_eq!(after(|given| given.put("b/0", "n2")), ["b/0 is placed but not wanted"]);
    assert_eq!(after(|given| given.put("a/1", "n5")), ["a/1 is on n5, which does not exist"]);
    let lost = |given: &mut Given| drop(given.placement.remove(&"a/1".parse().unwrap()));
    assert_eq!(after(lost), ["a/1 is placed nowhere and nothing is said of it"]);
    assert_eq!(after(|given| (lost(given), given.unplaced.push(nowhere("a/1"))).1), [""; 0]);
    let said = |replica| after(|given| given.unplaced.push(nowhere(replica)));
    assert_eq!(said("a/1"), ["a/1 is placed but said to fit nowhere"]);
    assert_eq!(said("a/2"), ["a/2 is said to fit nowhere but is not wanted"]);
    assert_eq!(said("b/0"), ["b/0 is said to fit nowhere but is not wanted"]);
    let without_reason = |given: &mut Given| {
        lost(given);
        given.unplaced.push(Unplaced { reasons: Arc::default(), ..nowhere("a/1") });
    };
    assert_eq!(after(without_reason), ["a/1 is said to fit nowhere without a reason"]);
    let twice = |given: &mut Given| (lost(given), given.unplaced.extend([nowhere("a/1"), nowhere("a/1")])).1;
    assert_eq!(after(twice), ["a/1 is said to fit nowhere twice"]);
}

#[test]
fn revision() {
    let (wanted, old) = (Revision::of("new"), Revision::of("a"));
    let found = after(|given| {
        given.a().revision = wanted;
        given.put("a/0", "n1");
    });
    assert_eq!(found, [format!("a/1 on n3: is of revision {old:?} instead of {wanted:?}")]);
}

#[test]
fn the_first_demand_has_an_index() {
    let second = |given: &mut Given| given.services.get_mut("a").unwrap().push(demand("second", 2));
    assert_eq!(after(second), [""; 0]);
}

#[test]
fn acceptance() {
    let with = |acceptance| after(|given| given.host("n1").acceptance = acceptance);
    assert_eq!(with(Acceptance::Lost), ["a/0 on n1: the node is lost"]);
    assert_eq!(with(Acceptance::Draining), ["a/0 on n1: the node is draining"]);
    assert_eq!(with(Acceptance::Cordoned), ["a/0 on n1: the node is cordoned"]);
    let kept = after(|given| {
        given.host("n1").acceptance = Acceptance::Cordoned;
        given.cold = false;
    });
    assert_eq!(kept, [""; 0]);
}

#[test]
fn labels_and_taints_and_ties() {
    let require = |given: &mut Given| drop(given.a().rules.require.insert("zone".into(), Condition::one_of(["x"])));
    assert_eq!(after(require), ["a/1 on n3: the node's zone is not as required"]);
    let taint = |given: &mut Given| given.host("n1").taints = BTreeSet::from(["old".into()]);
    assert_eq!(after(taint), ["a/0 on n1: does not tolerate old"]);
    assert_eq!(after(|given| (taint(given), given.a().rules.tolerate.push("old".into())).1), [""; 0]);
    assert_eq!(after(|given| drop(given.a().ties.insert(0, name("n1")))), [""; 0]);
    assert_eq!(after(|given| drop(given.a().ties.insert(0, name("n2")))), ["a/0 on n1: is tied to n2"]);
}

#[test]
fn room() {
    assert_eq!(after(|given| given.a().cpu = Cpu::from_millis(1_000)), [""; 0]);
    let together = after(|given| (given.a().cpu = Cpu::from_millis(501), given.put("a/1", "n1")).1);
    assert_eq!(together, ["cpu of n1: 1002 used of 1000"]);
    let memory = after(|given| (given.a().memory = Bytes::new(501), given.put("a/1", "n1")).1);
    assert_eq!(memory, ["memory of n1: 1002 used of 1000"]);
    let resource =
        |of: &str, count| after(|given| given.a().resources = BTreeMap::from([(of.to_owned(), Amount::Count(count))]));
    let cards = |count| resource("card", count);
    assert_eq!(
        (cards(4), cards(5)),
        (vec![], vec!["card of n1: 5 used of 4".into(), "card of n3: 5 used of 4".into()])
    );
    assert_eq!(resource("gpu", 1), ["gpu of n1: 1 used of 0", "gpu of n3: 1 used of 0"]);
    let huge = after(|given| (given.a().memory = Bytes::new(u64::MAX), given.put("a/1", "n1")).1);
    assert_eq!(huge, ["memory of n1: 36893488147419103230 used of 1000"]);
}

#[test]
fn reserve() {
    let kept = |reserve: Reserve| after(|given| given.host("n1").reserve = reserve);
    let empty = Reserve::default();
    assert_eq!(kept(Reserve { cpu: Cpu::from_millis(600), ..empty.clone() }), [""; 0]);
    assert_eq!(kept(Reserve { cpu: Cpu::from_millis(601), ..empty.clone() }), ["cpu of n1: 400 used of 399"]);
    assert_eq!(kept(Reserve { memory: Bytes::new(601), ..empty.clone() }), ["memory of n1: 400 used of 399"]);
    let resources = BTreeMap::from([("card".into(), Amount::Count(4))]);
    assert_eq!(kept(Reserve { resources, ..empty }), ["card of n1: 1 used of 0"]);
}

#[test]
fn ports() {
    let with = |kind: Port, numbers: [u16; 2], node: &str| {
        after(|given| {
            given.a().ports = BTreeMap::from([(name("main"), kind)]);
            given.put("a/1", node);
            given.port("a/0", "main", numbers[0]);
            given.port("a/1", "main", numbers[1]);
        })
    };
    assert_eq!(with(Port::Fixed(80), [80, 80], "n3"), [""; 0]);
    assert_eq!(with(Port::Fixed(80), [80, 81], "n3"), ["a/1 on n3: port main is 81"]);
    assert_eq!(with(Port::Fixed(80), [80, 80], "n1"), ["a/1 on n1: port 80 is another's too"]);
    assert_eq!(with(Port::Dynamic, [20_000, 20_001], "n1"), [""; 0]);
    assert_eq!(with(Port::Dynamic, [20_000, 20_000], "n1"), ["a/1 on n1: port 20000 is another's too"]);
    assert_eq!(with(Port::Dynamic, [20_000, 19_999], "n1"), ["a/1 on n1: port main is 19999"]);
    let missing = after(|given| given.a().ports = BTreeMap::from([(name("main"), Port::Dynamic)]));
    assert_eq!(missing, ["a/0 on n1: has other ports than it asks for", "a/1 on n3: has other ports than it asks for"]);
    assert_eq!(after(|given| given.port("a/0", "more", 20_000)), ["a/0 on n1: has other ports than it asks for"]);
}

#[test]
fn one_per_node() {
    let with = |node: &str| after(|given| (given.a().one_per_node = true, given.put("a/1", node)).1);
    assert_eq!(with("n2"), [""; 0]);
    assert_eq!(with("n1"), ["a/1 is not alone of its service on n1"]);
}

#[test]
fn max_of_a_spread() {
    let with = |node: &str| {
        after(|given| {
            given.a().rules.spread = vec![Spread { max: Some(1), ..Spread::over("zone") }];
            given.put("a/1", node);
        })
    };
    assert_eq!(with("n3"), [""; 0]);
    assert_eq!(with("n2"), ["a has 2 replicas in one zone, more than 1"]);
    assert_eq!(with("n4"), ["a/1 is on n4, which has no zone"]);
}

#[test]
fn skew_of_a_spread() {
    let skewed = |given: &mut Given| {
        given.a().rules.spread = vec![Spread { max_skew: Some(1), ..Spread::over("zone") }];
        given.put("a/1", "n2");
    };
    assert_eq!(after(skewed), ["a has 2 replicas in one zone and 0 in another, a skew above 1"]);
    assert_eq!(after(|given| (skewed(given), given.put("a/1", "n3")).1), [""; 0]);
    // A zone in which no replica could be does not count, nor is it judged what was not placed from nothing.
    assert_eq!(after(|given| (skewed(given), given.host("n3").acceptance = Acceptance::Lost).1), [""; 0]);
    assert_eq!(after(|given| (skewed(given), given.host("n3").taints = BTreeSet::from(["old".into()])).1), [""; 0]);
    assert_eq!(after(|given| (skewed(given), given.cold = false).1), [""; 0]);
}

#[test]
fn fewest_domains_of_a_spread() {
    let with =
        |least| after(|given| given.a().rules.spread = vec![Spread { min_domains: least, ..Spread::over("zone") }]);
    assert_eq!(with(Some(2)), [""; 0]);
    assert_eq!(with(Some(3)), ["a is in 2 of zone, fewer than 3"]);
    let part = after(|given| {
        given.a().rules.spread = vec![Spread { min_domains: Some(3), ..Spread::over("zone") }];
        given.a().indexes.push(2);
        given.unplaced.push(nowhere("a/2"));
    });
    assert_eq!(part, [""; 0]);
}

#[test]
fn keep_with() {
    let with = |label: &str, node: &str| {
        after(|given| {
            given.and("b", node);
            given.services.get_mut("b").unwrap()[0].rules.keep_with = company("a", label);
        })
    };
    assert_eq!((with("zone", "n2"), with("node", "n1")), (vec![], vec![]));
    assert_eq!(with("node", "n2"), ["b/0 on n2: no a in its node"]);
    assert_eq!(with("zone", "n4"), ["b/0 on n4: no a in its zone"]);
    let stranger = after(|given| given.a().rules.keep_with = company("gone", "node"));
    assert_eq!(stranger, ["a/0 on n1: no gone in its node", "a/1 on n3: no gone in its node"]);
    assert_eq!(after(|given| given.a().rules.keep_with = company("a", "zone")), ["a is in 2 of zone, not all in one"]);
    let one = after(|given| (given.a().rules.keep_with = company("a", "zone"), given.put("a/1", "n2")).1);
    assert_eq!(one, [""; 0]);
}

#[test]
fn keep_from() {
    let with = |service: &str, other: &str, label: &str, node: &str| {
        after(|given| {
            given.and("b", node);
            given.services.get_mut(service).unwrap()[0].rules.keep_from = company(other, label);
        })
    };
    assert_eq!((with("b", "a", "node", "n2"), with("b", "a", "zone", "n4")), (vec![], vec![]));
    assert_eq!(with("b", "a", "node", "n1"), ["b/0 on n1: a is in its node"]);
    assert_eq!(with("b", "a", "zone", "n2"), ["b/0 on n2: a is in its zone"]);
    // The other way about: `b` says nothing.
    assert_eq!(with("a", "b", "zone", "n2"), ["a/0 on n1: b is in its zone"]);
    assert_eq!(with("a", "a", "zone", "n4"), [""; 0]);
    let near = after(|given| (given.a().rules.keep_from = company("a", "zone"), given.put("a/1", "n2")).1);
    assert_eq!(near, ["a/0 on n1: a is in its zone", "a/1 on n2: a is in its zone"]);
}

#[test]
fn quotas() {
    let with = |quota: Quota| {
        after(|given| {
            given.a().namespace = Some(name("team"));
            given.quotas.insert(name("team"), quota);
        })
    };
    let none = Quota::default();
    let all = Quota {
        replicas: Some(2),
        cpu: Some(Cpu::from_millis(800)),
        memory: Some(Bytes::new(800)),
        resources: BTreeMap::from([("card".into(), Amount::Count(2))]),
    };
    assert_eq!(with(all), [""; 0]);
    let over = |what: &str, used: u32| [format!("{what} of namespace team: {used} used, more than its quota")];
    assert_eq!(with(Quota { replicas: Some(1), ..none.clone() }), over("replicas", 2));
    assert_eq!(with(Quota { cpu: Some(Cpu::from_millis(799)), ..none.clone() }), over("cpu", 800));
    assert_eq!(with(Quota { memory: Some(Bytes::new(799)), ..none.clone() }), over("memory", 800));
    let cards = BTreeMap::from([("card".into(), Amount::Count(1))]);
    assert_eq!(with(Quota { resources: cards, ..none }), over("card", 2));
}
