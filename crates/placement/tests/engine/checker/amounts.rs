use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::{Demand, Host};
use icefield_spec::{Amount, Bytes, Cpu};

use crate::fleet::Fleet;

/// What nodes have or replicas need, by name.
pub(crate) fn resources(fleet: &Fleet) -> BTreeSet<String> {
    let had = fleet.hosts.values().flat_map(|host| host.resources.keys());
    let needed = fleet.services.values().flatten().flat_map(|demand| demand.resources.keys());
    had.chain(needed).cloned().chain(["cpu".into(), "memory".into()]).collect()
}

/// What a replica needs of `resource`.
pub(crate) fn need(demand: &Demand, resource: &str) -> u64 {
    amount(resource, demand.cpu, demand.memory, &demand.resources)
}

/// What a node has of `resource`.
pub(crate) fn has(host: &Host, resource: &str) -> u64 {
    amount(resource, host.cpu, host.memory, &host.resources)
}

/// What a node keeps in reserve of `resource`.
pub(crate) fn kept(host: &Host, resource: &str) -> u64 {
    amount(resource, host.reserve.cpu, host.reserve.memory, &host.reserve.resources)
}

/// What replicas may use of `resource` on a node.
pub(crate) fn limit(fleet: &Fleet, host: &Host, resource: &str) -> u64 {
    match fleet.objective.soft_reserve.contains_key(resource) {
        true => has(host, resource),
        false => has(host, resource).saturating_sub(kept(host, resource)),
    }
}

fn amount(resource: &str, cpu: Cpu, memory: Bytes, others: &BTreeMap<String, Amount>) -> u64 {
    match resource {
        "cpu" => cpu.millis(),
        "memory" => memory.get(),
        other => others.get(other).map_or(0, |amount| amount.get()),
    }
}
