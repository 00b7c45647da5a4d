//! Short ways to write what tests declare.

use std::collections::BTreeSet;

use icefield_spec::{
    Bytes, Cpu, Machine, Millis, Name, Node, Revision, Rules, Run, Service, Share, Spec, Spread, Strategy, Unit,
    Update, Volume, Wait,
};

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A unit of a version; what the version is called decides how its processes behave, see [`crate::process`].
pub(crate) fn unit(version: &str) -> Unit {
    Unit::new(Run::Exec { command: vec!["serve".into(), version.into()] }, Cpu::from_millis(500), Bytes::new(64 << 20))
}

/// A service that rolls out one replica at a time, each proven after a second, within ten.
pub(crate) fn service(version: &str, replicas: u32) -> Service {
    let update = Update { healthy_for: Millis::new(1_000), deadline: Millis::new(10_000), ..Update::default() };
    let rules = Rules { spread: vec![Spread::over("node")], ..Rules::default() };
    Service { rules, update, ..Service::new(replicas, unit(version)) }
}

/// The same with a folder that ties each replica to its node.
pub(crate) fn store(version: &str, replicas: u32) -> Service {
    let mut store = service(version, replicas);
    store.unit.volumes.insert(name("data"), Volume::default());
    store
}

/// The same, each replica of which runs at most once at any time.
pub(crate) fn singleton(version: &str, replicas: u32) -> Service {
    let mut singleton = service(version, replicas);
    singleton.unit.singleton = true;
    singleton
}

/// The same on every node instead of a number of times.
pub(crate) fn daemon(version: &str) -> Service {
    Service { daemon: true, ..service(version, 0) }
}

/// `nodes` nodes called `n1`, `n2`, … that hold eight replicas each, and the given services.
pub(crate) fn spec(nodes: u32, services: &[(&str, Service)]) -> Spec {
    let machine = Machine::new(Cpu::from_millis(4_000), Bytes::new(8 << 30));
    let node = |number: u32| (name(&format!("n{number}")), Node { address: None, machine: machine.clone() });
    Spec {
        nodes: (1..=nodes).map(node).collect(),
        services: services.iter().map(|(text, service)| (name(text), service.clone())).collect(),
        ..Spec::empty(name("model"))
    }
}

/// One service called "web".
pub(crate) fn web(nodes: u32, version: &str, replicas: u32) -> Spec {
    spec(nodes, &[("web", service(version, replicas))])
}

/// The same spec with another update policy of "web".
pub(crate) fn with_update(mut spec: Spec, change: impl FnOnce(&mut u32, &mut bool)) -> Spec {
    let update = &mut spec.services.get_mut("web").unwrap().update;
    change(&mut update.max_unavailable, &mut update.rollback);
    spec
}

/// One service called "web" that is updated in this way.
pub(crate) fn updated(nodes: u32, version: &str, replicas: u32, update: Update) -> Spec {
    let mut spec = web(nodes, version, replicas);
    let steps = spec.services["web"].update.clone();
    let update = Update { healthy_for: steps.healthy_for, deadline: steps.deadline, ..update };
    spec.services.get_mut("web").unwrap().update = update;
    spec
}

pub(crate) fn only(version: &str) -> BTreeSet<Revision> {
    BTreeSet::from([unit(version).revision()])
}

pub(crate) fn surging(version: &str, surge: u32) -> Spec {
    updated(3, version, 4, Update { max_unavailable: 0, max_surge: surge, ..Update::default() })
}

pub(crate) fn canary(version: &str, share: Share, wait: Wait) -> Spec {
    updated(3, version, 4, Update { kind: Strategy::Canary { share, wait }, ..Update::default() })
}

pub(crate) fn blue_green(version: &str, wait: Wait, keep: u64) -> Spec {
    let keep = Millis::new(keep);
    updated(3, version, 4, Update { kind: Strategy::BlueGreen { wait, keep }, ..Update::default() })
}

/// The switch, or the end of the canaries\' time, comes as soon as they are well.
pub(crate) const AT_ONCE: Wait = Wait::Hold(Millis::new(0));
