//! Rules and weights that make no sense: each gets an answer, soon.

use std::time::{Duration, Instant};

use icefield_placement::{Assignment, Balance, Demand, Host, Weight};
use icefield_spec::{Amount, Bytes, Company, Condition, Cpu, Quota, Spread};

use crate::fleet::{Fleet, demand, host, name};

fn three() -> Fleet {
    let mut fleet = Fleet::default();
    for (node, zone) in [("n1", "a"), ("n2", "a"), ("n3", "b")] {
        fleet.add_host(host(node, &[("zone", zone)]));
    }
    fleet
}

fn with(change: impl FnOnce(&mut Demand)) -> Demand {
    let mut demand = demand(3);
    change(&mut demand);
    demand
}

/// How many replicas are placed, and the fixes for the others.
fn outcome(fleet: &Fleet) -> (usize, Vec<String>) {
    let solution = fleet.solve();
    let fixes = solution.unplaced.iter().flat_map(|unplaced| unplaced.reasons.iter().map(|reason| reason.fix.clone()));
    let mut fixes: Vec<_> = fixes.collect();
    fixes.sort();
    fixes.dedup();
    (fleet.after(&solution).placement.len(), fixes)
}

#[test]
fn a_spread_over_a_label_that_no_node_has() {
    let spread = |change: fn(&mut Spread)| {
        let mut fleet = three();
        let mut rack = Spread::over("rack");
        change(&mut rack);
        fleet.add_service("web", [with(|web| web.rules.spread = vec![rack])]);
        outcome(&fleet)
    };
    let none = Vec::<String>::new();
    assert_eq!(spread(|_| ()), (3, none));
    assert_eq!(spread(|rack| rack.max = Some(1)), (0, vec!["give n1 a rack of its own".into()]));
    assert_eq!(spread(|rack| rack.max_skew = Some(1)), (0, vec!["give n1 a rack of its own".into()]));
    // One may be on a node without a rack, as long as the others can still be in two racks.
    assert_eq!(spread(|rack| rack.min_domains = Some(2)), (1, vec!["lower min_domains of spread rack to 1".into()]));
}

#[test]
fn conditions_that_contradict_each_other() {
    let mut fleet = three();
    let never = Condition { at_least: Some(3), at_most: Some(2), ..Condition::default() };
    fleet.add_service("a", [with(|web| drop(web.rules.require.insert("zone".into(), never)))]);
    let never = Condition { exists: Some(false), ..Condition::one_of(["a"]) };
    fleet.add_service("b", [with(|web| drop(web.rules.require.insert("zone".into(), never)))]);
    assert_eq!(outcome(&fleet), (0, vec!["drop require zone".into()]));
}

#[test]
fn a_replica_that_is_larger_than_any_node() {
    let mut fleet = three();
    fleet.add_service("web", [with(|web| web.resources = [("gpu".to_owned(), Amount::Count(u64::MAX))].into())]);
    let (placed, fixes) = outcome(&fleet);
    assert_eq!((placed, fixes.len()), (0, 1));
    assert!(fixes[0].starts_with("give n1 ") && fixes[0].contains(" more gpu"), "{fixes:?}");
}

#[test]
fn services_that_are_kept_with_each_other_in_a_ring() {
    let mut fleet = three();
    let near = |other: &str| vec![Company { service: name(other), label: "zone".into() }];
    for (service, other) in [("a", "b"), ("b", "c"), ("c", "a")] {
        fleet.add_service(service, [with(|demand| demand.rules.keep_with = near(other))]);
    }
    let (placed, fixes) = outcome(&fleet);
    assert_eq!((placed, fixes), (0, ["a", "b", "c"].map(|other| format!("drop keep_with {other}")).to_vec()));
    // Once they are together they stay together, and leave together.
    fleet.put("a/0", "n1", "one", &[]).put("b/0", "n2", "one", &[]).put("c/0", "n2", "one", &[]);
    assert_eq!(outcome(&fleet), (9, vec![]));
    fleet.add_service("d", [with(|demand| (demand.rules.keep_with, demand.rules.keep_from) = (near("a"), near("a")))]);
    let (placed, fixes) = outcome(&fleet);
    assert_eq!((placed, fixes.is_empty()), (9, false));
}

#[test]
fn a_service_that_is_kept_from_itself_and_with_itself() {
    let mut fleet = three();
    let own = vec![Company { service: name("web"), label: "zone".into() }];
    let web = with(|web| (web.rules.keep_with, web.rules.keep_from) = (own.clone(), own.clone()));
    fleet.add_service("web", [web]);
    let (placed, fixes) = outcome(&fleet);
    assert_eq!(placed, 1);
    assert_eq!(fixes, ["drop keep_from web", "drop keep_with web"]);
}

#[test]
fn the_lowest_and_the_highest_priority() {
    let mut fleet = three();
    let full = |priority| with(|demand| (demand.priority, demand.cpu) = (priority, Cpu::from_millis(4000)));
    fleet.add_service("low", [full(i32::MIN)]);
    fleet = fleet.after(&fleet.solve());
    fleet.add_service("high", [full(i32::MAX)]);
    let after = fleet.after(&fleet.solve());
    assert_eq!((after.placement.service("high").count(), after.placement.service("low").count()), (3, 0));
}

#[test]
fn quotas_of_nothing_and_of_everything() {
    let mut fleet = three();
    fleet.add_service("web", [with(|web| web.namespace = Some(name("team")))]);
    let everything = Quota {
        replicas: Some(u32::MAX),
        cpu: Some(Cpu::from_millis(u64::MAX)),
        memory: Some(Bytes::new(u64::MAX)),
        resources: [("gpu".to_owned(), Amount::Count(u64::MAX))].into(),
    };
    fleet.quotas.insert(name("team"), everything);
    fleet.quotas.insert(name("nobody"), Quota::default());
    assert_eq!(outcome(&fleet), (3, vec![]));
    fleet.quotas.insert(name("team"), Quota { replicas: Some(0), ..Quota::default() });
    assert_eq!(outcome(&fleet), (0, vec!["raise the replicas of namespace team to 1".into()]));
}

#[test]
fn what_moves_finds_nothing_free() {
    let mut fleet = three();
    fleet.objective.transient.extend(["memory".into(), "nothing".into()]);
    fleet.add_service("web", [with(|web| web.memory = Bytes::new(8 << 30))]);
    fleet = fleet.after(&fleet.solve());
    fleet.host("n1").taints.insert("old".into());
    fleet.add_service("other", [demand(1)]);
    // web/0 leaves n1 and has nowhere to go; meanwhile its memory there is not free for another.
    fleet.services.get_mut("other").unwrap()[0].rules.tolerate = vec!["old".into()];
    let solution = fleet.solve();
    assert_eq!((solution.changes.len(), solution.unplaced.len()), (1, 2));
}

#[test]
fn extreme_weights() {
    let mut fleet = three();
    for weight in [Weight { factor: u64::MAX, shift: 0 }, Weight { factor: u64::MAX, shift: 200 }, Weight::default()] {
        fleet.objective.soft_reserve = ["cpu", "memory", "none"].map(|name| (name.to_owned(), weight)).into();
        let pair = |resource: &str, with: &str| {
            let (resource, with) = (resource.to_owned(), with.to_owned());
            Balance { resource, with, target: u64::MAX, ratio: u64::MAX, weight }
        };
        fleet.objective.balance =
            vec![pair("cpu", "memory"), pair("memory", "cpu"), pair("none", "cpu"), pair("cpu", "cpu")];
        let node = |node: &str| Host {
            reserve: icefield_spec::Reserve { cpu: Cpu::from_millis(u64::MAX), ..Default::default() },
            ..Host::new(name(node), Cpu::from_millis(u64::MAX), Bytes::new(u64::MAX))
        };
        fleet.add_host(node("n4")).add_host(node("n5"));
        fleet.add_service(
            "web",
            [with(|web| (web.cpu, web.memory) = (Cpu::from_millis(u64::MAX), Bytes::new(u64::MAX)))],
        );
        fleet.add_service("small", [demand(20)]);
        assert_eq!(fleet.solve().unplaced.len(), 1, "{weight:?}");
        assert!(fleet.engine().explain(&"small/0".parse().unwrap()).is_some());
    }
}

#[test]
fn ties_to_nodes_that_are_not_there() {
    let mut fleet = three();
    fleet.add_service("db", [with(|db| db.ties = [(0, name("n9")), (77, name("n1"))].into())]);
    fleet.put("db/0", "n8", "one", &[]);
    assert_eq!(outcome(&fleet), (2, vec!["untie it from n9".into()]));
    let at = Assignment { node: name("n9"), revision: demand(1).revision, ports: Default::default() };
    fleet.placement.insert("db/0".parse().unwrap(), at);
    assert_eq!(outcome(&fleet), (2, vec!["untie it from n9".into()]));
}

#[test]
fn a_million_replicas_with_every_rule_on_three_nodes() {
    let mut fleet = three();
    fleet.add_service("low", [with(|low| low.priority = -1)]);
    fleet = fleet.after(&fleet.solve());
    fleet.quotas.insert(name("team"), Quota { replicas: Some(10), ..Quota::default() });
    let limit = |label: &str| Spread { max_skew: Some(2), min_domains: Some(2), ..Spread::over(label) };
    let own = |label: &str| vec![Company { service: name("web"), label: label.into() }];
    let mut web = demand(1_000_000);
    (web.priority, web.namespace) = (1, Some(name("team")));
    web.rules.spread = vec![limit("zone"), limit("node")];
    fleet.add_service("web", [web.clone()]);
    let started = Instant::now();
    assert_eq!(fleet.solve().unplaced.len(), 999_990);
    // Nothing fits that must be in two zones and in one.
    (web.namespace, web.rules.keep_with, web.rules.keep_from) = (None, own("zone"), own("node"));
    fleet.add_service("web", [web]);
    assert!(fleet.solve().unplaced.len() >= 999_998);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
