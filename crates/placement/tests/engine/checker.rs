//! What is wrong with a placement, found the slow and plain way.

mod amounts;
mod arrival;
mod company;
mod node;

use std::collections::BTreeMap;

use icefield_placement::{Acceptance, Assignment, Change, ChangeKind, Demand, Placement, ReplicaId, Solution};
use icefield_spec::{Amount, Bytes, Cpu, Name, Port};

use crate::fleet::Fleet;
pub(crate) use amounts::{has, kept, limit, need, resources};
pub(crate) use arrival::breaches as arrivals;

/// The demand that wants `replica`: of two, the first.
pub(crate) fn demand_of<'a>(fleet: &'a Fleet, replica: &ReplicaId) -> Option<&'a Demand> {
    fleet.services.get(&replica.service)?.iter().find(|demand| demand.indexes.contains(&replica.index))
}

/// Whether a replica leaves for others of higher priority.
pub(crate) fn gives_way(change: &Change) -> bool {
    change.reason.starts_with("gives way to ")
}

/// Whether a replica that could stay is moved for one that found no room.
pub(crate) fn makes_room(change: &Change) -> bool {
    change.reason == "makes room for others"
}

/// The wanted replicas of `service` that are placed.
pub(crate) fn placed<'a>(fleet: &'a Fleet, service: &'a Name) -> impl Iterator<Item = (u32, &'a Assignment)> {
    let all = fleet.placement.service(service.as_str());
    all.filter(|(index, _)| demand_of(fleet, &ReplicaId::new(service.clone(), *index)).is_some())
}

/// What `label` of `node` is.
pub(crate) fn label_of<'a>(fleet: &'a Fleet, node: &Name, label: &str) -> Option<&'a String> {
    fleet.hosts.get(node)?.labels.get(label)
}

/// Every breach of a hard rule by a replica that is placed in `fleet`, wherever it came from.
pub(crate) fn violations(fleet: &Fleet) -> Vec<String> {
    let mut found = Vec::new();
    for (id, at) in fleet.placement.iter() {
        match (demand_of(fleet, &id), fleet.hosts.get(&at.node)) {
            (None, _) => found.push(format!("{id} is not wanted")),
            (_, None) => found.push(format!("{id}: there is no node {}", at.node)),
            (Some(demand), Some(host)) => {
                found.extend(node::breaches(demand, &id, at, host));
                found.extend(company::breaches(fleet, &id, at));
            }
        }
    }
    found.extend(node::clashes(fleet));
    found.extend(node::overloads(fleet));
    found
}

/// Whether `node` could take `replica` as a new one without a breach that is not there already.
pub(crate) fn takes(fleet: &Fleet, replica: &ReplicaId, node: &Name) -> bool {
    let ready = fleet.hosts.get(node).is_some_and(|host| host.acceptance == Acceptance::Ready);
    let with = if ready { fits(fleet, replica, node) } else { None };
    with.is_some_and(|with| arrivals(fleet, &with).is_empty())
}

/// Whether `node` could keep `replica` without a breach that is not there already.
pub(crate) fn keeps(fleet: &Fleet, replica: &ReplicaId, node: &Name) -> bool {
    fits(fleet, replica, node).is_some()
}

/// The fleet with `replica` on `node`, if that breaks no rule for what is there.
fn fits(fleet: &Fleet, replica: &ReplicaId, node: &Name) -> Option<Fleet> {
    let (host, demand) = (fleet.hosts.get(node)?, demand_of(fleet, replica)?);
    let ports = free_ports(&fleet.placement, demand, node, host.ports.first()..=host.ports.last())?;
    let at = Assignment { node: node.clone(), revision: demand.revision, ports };
    if !node::breaches(demand, replica, &at, host).is_empty() {
        return None;
    }
    let mut with = fleet.clone();
    with.placement.insert(replica.clone(), at);
    let before = violations(fleet);
    violations(&with).iter().all(|found| before.contains(found)).then_some(with)
}

/// Ports for one more replica of `demand` on `node`, if there are enough.
pub(crate) fn free_ports(
    placement: &Placement,
    demand: &Demand,
    node: &Name,
    range: std::ops::RangeInclusive<u16>,
) -> Option<BTreeMap<Name, u16>> {
    let on_node = placement.iter().filter(|(_, at)| at.node == *node);
    let mut used: Vec<u16> = on_node.flat_map(|(_, at)| at.ports.values().copied().collect::<Vec<_>>()).collect();
    let mut ports = BTreeMap::new();
    for (name, kind) in &demand.ports {
        if let Port::Fixed(fixed) = kind {
            if used.contains(fixed) {
                return None;
            }
            used.push(*fixed);
            ports.insert(name.clone(), *fixed);
        }
    }
    for (name, kind) in &demand.ports {
        if *kind == Port::Dynamic {
            let free = range.clone().find(|port| !used.contains(port))?;
            used.push(free);
            ports.insert(name.clone(), free);
        }
    }
    Some(ports)
}

/// The fleet after `solution`, while what has left its node still needs there what moves need on both ends.
pub(crate) fn in_transit(fleet: &Fleet, solution: &Solution) -> Fleet {
    let mut after = fleet.after(solution);
    for change in &solution.changes {
        let (ChangeKind::Move { from, .. } | ChangeKind::Remove { from }) = &change.kind else { continue };
        let (Some(demand), Some(host)) = (demand_of(fleet, &change.replica), after.hosts.get_mut(from)) else {
            continue;
        };
        for resource in &fleet.objective.transient {
            let need = need(demand, resource);
            match resource.as_str() {
                "cpu" => host.cpu = Cpu::from_millis(host.cpu.millis().saturating_sub(need)),
                "memory" => host.memory = Bytes::new(host.memory.get().saturating_sub(need)),
                other => {
                    let left = host.resources.get(other).map_or(0, |amount| amount.get()).saturating_sub(need);
                    host.resources.insert(other.to_owned(), Amount::Count(left));
                }
            }
        }
    }
    after
}
