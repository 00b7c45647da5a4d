use icefield_spec::{Machine, Node, Pool};

use super::update::{map_update, part_update, value_update};
use crate::count::count;

pub(super) fn new_node(node: &Node) -> String {
    size(&node.machine)
}

pub(super) fn new_pool(pool: &Pool) -> String {
    format!("{} of {}", count(pool.count.into(), "node"), size(&pool.machine))
}

pub(super) fn node_update(old: &Node, new: &Node) -> Vec<String> {
    let address = |node: &Node| node.address.clone().unwrap_or_else(|| "none".into());
    let mut parts: Vec<String> = value_update("address", &address(old), &address(new)).into_iter().collect();
    parts.extend(machine_update(&old.machine, &new.machine));
    parts
}

pub(super) fn pool_update(old: &Pool, new: &Pool) -> Vec<String> {
    let mut parts: Vec<String> = value_update("count", &old.count, &new.count).into_iter().collect();
    parts.extend(machine_update(&old.machine, &new.machine));
    parts
}

fn size(machine: &Machine) -> String {
    let mut parts = vec![format!("cpu {}", machine.cpu), format!("memory {}", machine.memory)];
    parts.extend(machine.resources.iter().map(|(resource, amount)| format!("{resource} {amount}")));
    parts.join(", ")
}

fn machine_update(old: &Machine, new: &Machine) -> Vec<String> {
    let base = |machine: &Machine| machine.base.as_ref().map_or("none".into(), ToString::to_string);
    let mut parts: Vec<String> = [
        value_update("base", &base(old), &base(new)),
        value_update("cpu", &old.cpu, &new.cpu),
        value_update("memory", &old.memory, &new.memory),
        value_update("ports", &old.ports, &new.ports),
        value_update("system", &old.system, &new.system),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.extend(map_update("resource", &old.resources, &new.resources));
    parts.extend(part_update("reserve", &old.reserve, &new.reserve));
    parts.extend(part_update("taints", &old.taints, &new.taints));
    parts.extend(map_update("label", &old.labels, &new.labels));
    parts
}
