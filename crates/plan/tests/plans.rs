//! What plans promise, whatever the spec and the placement.

use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::{Assignment, Placement, ReplicaId};
use icefield_plan::{
    Fleet, Generation, NodePlan, ReplicaChange, compile, diff, endpoints, endpoints_in, node_plan, units_of,
};
use icefield_spec::{Name, Spec};
use proptest::prelude::*;

/// Three named nodes and a pool of two; `web`, `api`, and `twin`, whose unit equals that of `api`.
const SHOP: &str = r#"{
  "schema": 1, "cluster": "shop",
  "bases": {"std": {}},
  "nodes": {
    "metal-1": {"address": "10.0.0.11", "machine": {"base": "std", "cpu": "4", "memory": "8GiB"}},
    "metal-2": {"machine": {"cpu": "4", "memory": "8GiB", "system": "aarch64-linux"}},
    "metal-3": {"machine": {"cpu": "4", "memory": "8GiB"}}
  },
  "pools": {"workers": {"count": 2, "machine": {"base": "std", "cpu": "4", "memory": "8GiB"}}},
  "services": {
    "web": {"replicas": 3, "unit": {
      "run": {"kind": "exec", "command": ["python3", "-m", "http.server", "$PORT_HTTP"]},
      "cpu": "500m", "memory": "256MiB", "ports": {"http": "dynamic"}, "env": {"GREETING": "hello"}, "uses": ["api"],
      "health": {"probe": {"kind": "http", "path": "/", "port": "http"}}}},
    "api": {"replicas": 2, "unit": {"run": {"kind": "exec", "command": ["api"]}, "cpu": "1", "memory": "1GiB"}},
    "twin": {"replicas": 2, "unit": {"run": {"kind": "exec", "command": ["api"]}, "cpu": "1", "memory": "1GiB"}}
  }
}"#;

fn shop() -> Spec {
    Spec::from_json(SHOP).expect("the spec is valid")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn assignment(spec: &Spec, service: &str, node: &str, port: Option<u16>) -> Assignment {
    let ports = port.map(|port| (name("http"), port)).into_iter().collect();
    Assignment { node: name(node), revision: spec.services[service].revision(), ports }
}

/// Plans for all nodes, from `(service, index, node, port)`.
fn plans(spec: &Spec, placed: &[(&str, u32, &str, Option<u16>)]) -> Vec<NodePlan> {
    let placement: Placement = placed
        .iter()
        .map(|(service, index, node, port)| {
            (ReplicaId::new(name(service), *index), assignment(spec, service, node, *port))
        })
        .collect();
    compile(&Fleet { spec, units: &units_of(spec), addresses: &BTreeMap::new() }, &placement)
}

#[test]
fn every_declared_node_has_a_plan_in_the_fleets_order() {
    let plans = plans(&shop(), &[("web", 0, "workers-2", Some(20_000))]);
    let nodes: Vec<_> = plans.iter().map(|plan| plan.node.as_str()).collect();
    assert_eq!(nodes, ["metal-1", "metal-2", "metal-3", "workers-1", "workers-2"]);
    assert_eq!(plans[0].address, "10.0.0.11");
    assert_eq!(plans[1].address, "metal-2", "a node without an address is reached by its name");
    assert_eq!(plans[1].system, "aarch64-linux");
    assert_eq!(plans[3].base.as_ref().map(Name::as_str), Some("std"), "a pool's nodes have its base");
    assert!(plans[3].replicas.is_empty() && plans[3].units.is_empty());
    assert_eq!(plans[4].replicas.len(), 1);
}

#[test]
fn a_registered_address_takes_precedence() {
    let spec = shop();
    let addresses = BTreeMap::from([(name("metal-1"), "192.0.2.7".to_owned())]);
    let fleet = Fleet { spec: &spec, units: &units_of(&spec), addresses: &addresses };
    let node = spec.fleet_node("metal-1").expect("it is declared");
    assert_eq!(node_plan(&fleet, &node, []).address, "192.0.2.7");
}

#[test]
fn a_replica_without_a_unit_is_left_out() {
    let spec = shop();
    let fleet = Fleet { spec: &spec, units: &BTreeMap::new(), addresses: &BTreeMap::new() };
    let node = spec.fleet_node("metal-1").expect("it is declared");
    let lost = assignment(&spec, "web", "metal-1", None);
    let plan = node_plan(&fleet, &node, [(ReplicaId::new(name("web"), 0), &lost)]);
    assert!(plan.replicas.is_empty() && plan.units.is_empty());
}

#[test]
fn equal_units_share_a_revision_and_stay_apart_by_replica() {
    let spec = shop();
    let both = plans(&spec, &[("twin", 0, "metal-1", None), ("api", 0, "metal-1", None), ("twin", 1, "metal-2", None)]);
    assert_eq!(both[0].units.len(), 1);
    assert_eq!(both[0].replicas.len(), 2);
    let services = |plan: &NodePlan| plan.units.values().map(|unit| unit.service.to_string()).collect::<Vec<_>>();
    assert_eq!(services(&both[0]), ["api"]);
    assert_eq!(services(&both[1]), ["twin"], "the node has no replica of api, so its plan does not speak of it");
}

#[test]
fn the_difference_names_every_kind_of_change() {
    let spec = shop();
    let old =
        &plans(&spec, &[("web", 0, "metal-1", Some(1)), ("web", 1, "metal-1", Some(2)), ("api", 0, "metal-1", None)])
            [0];
    let mut new =
        plans(&spec, &[("web", 0, "metal-1", Some(1)), ("web", 1, "metal-1", Some(3)), ("web", 2, "metal-1", Some(4))])
            .swap_remove(0);
    let changed = new.replicas.get_mut(&ReplicaId::new(name("web"), 0)).expect("it is there");
    changed.revision = spec.services["api"].revision();
    new.base = None;
    new.address = "other".into();
    new.system = "aarch64-linux".into();
    let found = diff(old, &new);
    let replicas: Vec<_> = found.replicas.iter().map(|(id, change)| (id.to_string(), *change)).collect();
    assert_eq!(
        replicas,
        [
            ("api/0".to_owned(), ReplicaChange::Removed),
            ("web/0".to_owned(), ReplicaChange::Revised),
            ("web/1".to_owned(), ReplicaChange::Rewired),
            ("web/2".to_owned(), ReplicaChange::Added),
        ]
    );
    assert_eq!(found.base, Some((Some(name("std")), None)));
    assert_eq!(found.address, Some(("10.0.0.11".into(), "other".into())));
    assert_eq!(found.system, Some(("x86_64-linux".into(), "aarch64-linux".into())));
}

#[test]
fn a_plans_json_and_hash_are_these() {
    let plans = plans(&shop(), &[("web", 0, "metal-1", Some(20_000)), ("api", 1, "metal-1", None)]);
    let json = serde_json::to_string_pretty(&plans[0]).expect("a plan can be written");
    insta::assert_snapshot!(json);
    insta::assert_snapshot!(plans[0].hash().to_string(), @"ab85deb2e73d876fb49788910123b61b495751f71bac68d9c2f1638569f640db");
    let read: NodePlan = serde_json::from_str(&json).expect("what was written reads back");
    assert_eq!(read, plans[0]);
    assert_eq!(Generation::new(7, read).hash, plans[0].hash());
}

#[test]
fn a_plan_with_an_unknown_field_is_refused() {
    let plan = serde_json::to_string(&plans(&shop(), &[])[0]).expect("a plan can be written");
    let odd = plan.replacen('{', r#"{"surprise":1,"#, 1);
    assert!(serde_json::from_str::<NodePlan>(&odd).is_err());
}

/// Any placement of the shop's replicas: each nowhere or on some node, with some port.
fn any_placement() -> impl Strategy<Value = Placement> {
    let replicas = [("web", 0), ("web", 1), ("web", 2), ("api", 0), ("api", 1), ("twin", 0), ("twin", 1)];
    let one = prop::option::weighted(0.8, (0..5usize, 20_000..20_003u16));
    prop::collection::vec(one, replicas.len()).prop_map(move |places| {
        let spec = shop();
        let nodes: Vec<Name> = spec.fleet().map(|node| node.name).collect();
        let placed = replicas.iter().zip(places).filter_map(|((service, index), place)| {
            let (node, port) = place?;
            let assignment = assignment(&spec, service, nodes[node].as_str(), Some(port));
            Some((ReplicaId::new(name(service), *index), assignment))
        });
        placed.collect()
    })
}

fn compiled(placement: &Placement) -> Vec<NodePlan> {
    let spec = shop();
    compile(&Fleet { spec: &spec, units: &units_of(&spec), addresses: &BTreeMap::new() }, placement)
}

proptest! {
    #[test]
    fn every_replica_is_in_exactly_the_plan_of_its_node(placement in any_placement()) {
        let plans = compiled(&placement);
        let mut seen = 0;
        for plan in &plans {
            for (replica, planned) in &plan.replicas {
                let assignment = placement.get(replica).expect("only placed replicas are planned");
                prop_assert_eq!(&assignment.node, &plan.node);
                prop_assert_eq!(assignment.revision, planned.revision);
                prop_assert_eq!(&assignment.ports, &planned.ports);
                seen += 1;
            }
            let wanted: BTreeSet<_> = plan.replicas.values().map(|replica| replica.revision).collect();
            let units: BTreeSet<_> = plan.units.keys().copied().collect();
            prop_assert_eq!(wanted, units, "the units are those of the replicas, no more and no less");
            for (revision, unit) in &plan.units {
                prop_assert_eq!(unit.unit.revision(), *revision);
            }
        }
        prop_assert_eq!(seen, placement.len());
    }

    #[test]
    fn the_difference_is_empty_exactly_when_plans_are_equal(a in any_placement(), b in any_placement()) {
        for (old, new) in compiled(&a).iter().zip(&compiled(&b)) {
            prop_assert_eq!(diff(old, new).is_empty(), old == new);
            prop_assert_eq!(old.hash() == new.hash(), old == new);
            prop_assert!(diff(old, old).is_empty());
        }
    }

    #[test]
    fn hashes_survive_writing_and_reading(placement in any_placement()) {
        for plan in compiled(&placement) {
            let read: NodePlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
            prop_assert_eq!(read.hash(), plan.hash());
            prop_assert_eq!(read, plan);
        }
    }

    #[test]
    fn endpoints_are_the_same_from_placement_and_plans(placement in any_placement()) {
        let spec = shop();
        let plans = compiled(&placement);
        let address = |node: &Name| plans.iter().find(|plan| plan.node == *node).expect("it is declared").address.clone();
        let mut found = endpoints_in(&plans);
        for service in spec.services.keys() {
            let from_plans = found.remove(service).unwrap_or_default();
            prop_assert_eq!(from_plans, endpoints(service.as_str(), &placement, &address));
        }
        prop_assert!(found.is_empty());
    }
}
