//! What is wrong with a placement, found the slow and plain way.

use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::{Acceptance, Assignment, Demand, Placement, ReplicaId};
use icefield_spec::{Name, Port};

use crate::fleet::Fleet;

/// The demand that wants `replica`: of two, the first.
pub(crate) fn demand_of<'a>(fleet: &'a Fleet, replica: &ReplicaId) -> Option<&'a Demand> {
    fleet.services.get(&replica.service)?.iter().find(|demand| demand.indexes.contains(&replica.index))
}

/// Every breach of a hard rule by a replica that is placed in `fleet`.
pub(crate) fn violations(fleet: &Fleet) -> Vec<String> {
    let mut found = Vec::new();
    let mut cpu: BTreeMap<&Name, u128> = BTreeMap::new();
    let mut memory: BTreeMap<&Name, u128> = BTreeMap::new();
    let mut ports: BTreeSet<(&Name, u16)> = BTreeSet::new();
    for (id, at) in fleet.placement.iter() {
        let mut report = |what: &str| found.push(format!("{id} on {}: {what}", at.node));
        let Some(demand) = demand_of(fleet, &id) else {
            report("is not wanted");
            continue;
        };
        let Some(host) = fleet.hosts.get(&at.node) else {
            report("there is no such node");
            continue;
        };
        if at.revision != demand.revision {
            report("has another revision");
        }
        if matches!(host.acceptance, Acceptance::Draining | Acceptance::Lost) {
            report("the node lets nothing stay");
        }
        for (label, values) in &demand.rules.require {
            if !values.admits(host.labels.get(label).map(String::as_str)) {
                report(&format!("require {label}"));
            }
        }
        if at.ports.keys().ne(demand.ports.keys()) {
            report("has other ports than it should");
        }
        for (port, kind) in &demand.ports {
            let Some(number) = at.ports.get(port) else { continue };
            let right = match kind {
                Port::Fixed(fixed) => fixed == number,
                Port::Dynamic => host.ports.contains(*number),
            };
            if !right {
                report(&format!("port {port} is {number}"));
            }
            if !ports.insert((&at.node, *number)) {
                report(&format!("port {number} is taken"));
            }
        }
        *cpu.entry(&at.node).or_default() += u128::from(demand.cpu.millis());
        *memory.entry(&at.node).or_default() += u128::from(demand.memory.get());
        found.extend(in_company(fleet, &id, at));
    }
    for (name, host) in &fleet.hosts {
        if cpu.get(name).copied().unwrap_or(0) > u128::from(host.cpu.millis()) {
            found.push(format!("cpu of {name}"));
        }
        if memory.get(name).copied().unwrap_or(0) > u128::from(host.memory.get()) {
            found.push(format!("memory of {name}"));
        }
    }
    found
}

/// Breaches by `id` at `at` of the rules that count its service's replicas. What any demand of the service sets, holds
/// for all of them.
fn in_company(fleet: &Fleet, id: &ReplicaId, at: &Assignment) -> Vec<String> {
    let mut found = Vec::new();
    let same = |label: &str| -> Option<usize> {
        let label_of = |node: &Name| fleet.hosts.get(node).and_then(|host| host.labels.get(label));
        let own = label_of(&at.node)?;
        let wanted = fleet
            .placement
            .iter()
            .filter(|(other, _)| other.service == id.service && demand_of(fleet, other).is_some());
        Some(wanted.filter(|(_, at)| label_of(&at.node) == Some(own)).count())
    };
    for demand in fleet.services[&id.service].iter().filter(|demand| !demand.indexes.is_empty()) {
        for spread in &demand.rules.spread {
            let Some(max) = spread.max else { continue };
            match same(&spread.label) {
                None => found.push(format!("{id}: {} has no {}", at.node, spread.label)),
                Some(count) if count > max as usize => found.push(format!("{id}: spread {} max {max}", spread.label)),
                Some(_) => {}
            }
        }
        let on_node = fleet.placement.service(id.service.as_str()).filter(|(index, other)| {
            other.node == at.node && demand_of(fleet, &ReplicaId::new(id.service.clone(), *index)).is_some()
        });
        if demand.one_per_node && on_node.count() > 1 {
            found.push(format!("{id}: more than one on {}", at.node));
        }
    }
    found
}

/// Whether `node` could take `replica` as a new one without a breach that is not there already.
pub(crate) fn takes(fleet: &Fleet, replica: &ReplicaId, node: &Name) -> bool {
    let (Some(host), Some(demand)) = (fleet.hosts.get(node), demand_of(fleet, replica)) else { return false };
    if host.acceptance != Acceptance::Ready {
        return false;
    }
    let Some(ports) = free_ports(&fleet.placement, demand, node, host.ports.first()..=host.ports.last()) else {
        return false;
    };
    let mut with = fleet.clone();
    with.placement.insert(replica.clone(), Assignment { node: node.clone(), revision: demand.revision, ports });
    violations(&with).len() <= violations(fleet).len()
}

/// Ports for one more replica of `demand` on `node`, if there are enough.
fn free_ports(
    placement: &Placement,
    demand: &Demand,
    node: &Name,
    range: std::ops::RangeInclusive<u16>,
) -> Option<BTreeMap<Name, u16>> {
    let on_node = placement.iter().filter(|(_, at)| at.node == *node);
    let mut used: BTreeSet<u16> = on_node.flat_map(|(_, at)| at.ports.values().copied().collect::<Vec<_>>()).collect();
    let mut ports = BTreeMap::new();
    for (name, kind) in &demand.ports {
        if let Port::Fixed(fixed) = kind {
            ports.insert(name.clone(), used.insert(*fixed).then_some(*fixed)?);
        }
    }
    for (name, kind) in &demand.ports {
        if *kind == Port::Dynamic {
            let free = range.clone().find(|port| !used.contains(port))?;
            used.insert(free);
            ports.insert(name.clone(), free);
        }
    }
    Some(ports)
}
