use std::collections::BTreeMap;

use icefield_api::{NodeState, NodeStatus};
use icefield_spec::{Bytes, Cpu, FleetNode, Name};

use crate::State;
use crate::observe::Observations;
use crate::state::NodeRecord;

/// Every node that is declared or there, by name.
pub(super) fn nodes(state: &State, seen: &Observations) -> Vec<NodeStatus> {
    let fleet = state.spec.iter().flat_map(|spec| spec.fleet());
    let mut nodes: BTreeMap<Name, NodeStatus> =
        fleet.map(|declared| (declared.name.clone(), declared_node(state, seen, &declared))).collect();
    for (name, record) in &state.nodes {
        let there = !record.lost || state.placed.on_node(name.as_str()).next().is_some();
        if there && !nodes.contains_key(name) {
            nodes.insert(name.clone(), undeclared_node(state, seen, name, record));
        }
    }
    nodes.into_values().collect()
}

/// One node; `None` if it is neither declared nor has ever joined.
pub fn node_status(state: &State, seen: &Observations, name: &Name) -> Option<NodeStatus> {
    if let Some(declared) = state.spec.as_deref().and_then(|spec| spec.fleet_node(name.as_str())) {
        return Some(declared_node(state, seen, &declared));
    }
    state.nodes.get(name).map(|record| undeclared_node(state, seen, name, record))
}

fn declared_node(state: &State, seen: &Observations, declared: &FleetNode<'_>) -> NodeStatus {
    let record = state.nodes.get(&declared.name);
    let standing = match record {
        None => NodeState::Joining,
        Some(record) if record.removed => NodeState::Joining,
        Some(record) if record.lost => NodeState::Lost,
        Some(_) if seen.health().is_suspect(declared.name.as_str()) => NodeState::Suspect,
        Some(record) if record.draining => NodeState::Draining,
        Some(record) if record.cordoned => NodeState::Cordoned,
        Some(_) => NodeState::Ready,
    };
    let node = NodeStatus {
        name: declared.name.clone(),
        state: standing,
        labels: declared.labels(),
        address: declared.address.map(str::to_owned),
        cpu: declared.machine.cpu,
        cpu_used: Cpu::default(),
        memory: declared.machine.memory,
        memory_used: Bytes::default(),
        replicas: 0,
        generation: 0,
        applied: None,
        system: None,
        message: None,
    };
    seen_node(state, seen, record, node)
}

fn undeclared_node(state: &State, seen: &Observations, name: &Name, record: &NodeRecord) -> NodeStatus {
    let node = NodeStatus {
        name: name.clone(),
        state: NodeState::Undeclared,
        labels: BTreeMap::from([("node".to_owned(), name.to_string())]),
        address: None,
        cpu: record.capacity.cpu,
        cpu_used: Cpu::default(),
        memory: record.capacity.memory,
        memory_used: Bytes::default(),
        replicas: 0,
        generation: 0,
        applied: None,
        system: None,
        message: None,
    };
    seen_node(state, seen, Some(record), node)
}

/// Adds what is known of the node beyond its declaration.
fn seen_node(state: &State, seen: &Observations, record: Option<&NodeRecord>, mut node: NodeStatus) -> NodeStatus {
    let (mut cpu, mut memory) = (0_u64, 0_u64);
    for (replica, assignment) in state.placed.on_node(node.name.as_str()) {
        node.replicas += 1;
        let service = state.services.get(&replica.service);
        if let Some(planned) = service.and_then(|service| service.units.get(&assignment.revision)) {
            cpu = cpu.saturating_add(planned.unit.cpu.millis());
            memory = memory.saturating_add(planned.unit.memory.get());
        }
    }
    node.cpu_used = Cpu::from_millis(cpu);
    node.memory_used = Bytes::new(memory);
    if let Some(record) = record {
        node.address = Some(record.address.clone());
        node.generation = record.generation;
    }
    if let Some(sight) = seen.sight(node.name.as_str()) {
        node.applied = Some(sight.generation);
        node.message = sight.message.clone();
        node.system = sight.system.clone();
    }
    if seen.health().held.contains_key(&node.name) {
        node.message = Some("silent, as others are: held, and not replaced for now".into());
    }
    node
}
