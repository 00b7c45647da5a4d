//! Short ways to write what tests declare.

use std::collections::BTreeMap;

use icefield_spec::{
    Bytes, Cpu, Machine, Name, Node, PortRange, Rules, Run, SCHEMA_VERSION, Service, Spec, Spread, Unit, Update,
};

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A unit of a version; what the version is called decides how its processes behave, see [`crate::process`].
pub(crate) fn unit(version: &str) -> Unit {
    Unit {
        run: Run::Exec { command: vec!["serve".into(), version.into()] },
        cpu: Cpu::from_millis(500),
        memory: Bytes::new(64 << 20),
        ports: BTreeMap::new(),
        env: BTreeMap::new(),
        uses: Vec::new(),
        health: None,
        stop_grace: Unit::default_stop_grace(),
    }
}

/// A service that rolls out one replica at a time, each proven after a second, within ten.
pub(crate) fn service(version: &str, replicas: u32) -> Service {
    let update = Update::Rolling {
        max_unavailable: 1,
        healthy_for: "1s".parse().unwrap(),
        deadline: "10s".parse().unwrap(),
        rollback: true,
    };
    let rules = Rules { spread: vec![Spread { label: "node".into(), max: None }], ..Rules::default() };
    Service { replicas, unit: unit(version), rules, update }
}

/// `nodes` nodes called `n1`, `n2`, … that hold eight replicas each, and the given services.
pub(crate) fn spec(nodes: u32, services: &[(&str, Service)]) -> Spec {
    let machine = Machine {
        base: None,
        cpu: Cpu::from_millis(4_000),
        memory: Bytes::new(8 << 30),
        ports: PortRange::default(),
        labels: BTreeMap::new(),
        system: Machine::DEFAULT_SYSTEM.into(),
    };
    let node = |number: u32| (name(&format!("n{number}")), Node { address: None, machine: machine.clone() });
    Spec {
        schema: SCHEMA_VERSION,
        cluster: name("model"),
        bases: BTreeMap::new(),
        nodes: (1..=nodes).map(node).collect(),
        pools: BTreeMap::new(),
        services: services.iter().map(|(text, service)| (name(text), service.clone())).collect(),
    }
}

/// One service called "web".
pub(crate) fn web(nodes: u32, version: &str, replicas: u32) -> Spec {
    spec(nodes, &[("web", service(version, replicas))])
}

/// The same spec with another update policy of "web".
pub(crate) fn with_update(mut spec: Spec, change: impl FnOnce(&mut u32, &mut bool)) -> Spec {
    let Update::Rolling { max_unavailable, rollback, .. } = &mut spec.services.get_mut("web").unwrap().update;
    change(max_unavailable, rollback);
    spec
}
