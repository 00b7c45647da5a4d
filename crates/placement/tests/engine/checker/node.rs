//! What one node must be and have for what is on it.

use std::collections::BTreeSet;

use icefield_placement::{Acceptance, Assignment, Demand, Host, ReplicaId};
use icefield_spec::Port;

use super::{demand_of, limit, need, resources};
use crate::fleet::Fleet;

/// Breaches by a replica at `at`, which is `host`, whatever else is there.
pub(super) fn breaches(demand: &Demand, id: &ReplicaId, at: &Assignment, host: &Host) -> Vec<String> {
    let mut found = Vec::new();
    let mut report = |what: String| found.push(format!("{id} on {}: {what}", at.node));
    if at.revision != demand.revision {
        report("has another revision".into());
    }
    if matches!(host.acceptance, Acceptance::Draining | Acceptance::Lost) {
        report("the node lets nothing stay".into());
    }
    if demand.ties.get(&id.index).is_some_and(|node| *node != at.node) {
        report("is tied elsewhere".into());
    }
    for taint in host.taints.iter().filter(|taint| !demand.rules.tolerate.contains(taint)) {
        report(format!("does not tolerate {taint}"));
    }
    if demand.driver.as_ref().is_some_and(|driver| !host.has_driver(driver)) {
        report("its agent has no driver for it".into());
    }
    for (label, condition) in &demand.rules.require {
        if !condition.admits(host.labels.get(label).map(String::as_str)) {
            report(format!("require {label}"));
        }
    }
    if at.ports.keys().ne(demand.ports.keys()) {
        report("has other ports than it should".into());
    }
    for (port, kind) in &demand.ports {
        let Some(number) = at.ports.get(port) else { continue };
        let right = match kind {
            Port::Fixed(fixed) => fixed == number,
            Port::Dynamic => host.ports.contains(*number),
        };
        if !right {
            report(format!("port {port} is {number}"));
        }
    }
    found
}

/// Ports that two have.
pub(super) fn clashes(fleet: &Fleet) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (id, at) in fleet.placement.iter() {
        let twice = at.ports.values().filter(|port| !taken.insert((&at.node, **port)));
        found.extend(twice.map(|port| format!("{id}: port {port} of {} is taken", at.node)));
    }
    found
}

/// Nodes of which more is needed than they may give.
pub(super) fn overloads(fleet: &Fleet) -> Vec<String> {
    let mut found = Vec::new();
    for (name, host) in &fleet.hosts {
        for resource in resources(fleet) {
            let on_node = fleet.placement.iter().filter(|(_, at)| at.node == *name);
            let demands = on_node.filter_map(|(id, _)| demand_of(fleet, &id));
            let (needed, limit) =
                (demands.map(|demand| need(demand, &resource)).sum::<u64>(), limit(fleet, host, &resource));
            if needed > limit {
                found.push(format!("{resource} of {name}: {needed} of {limit}"));
            }
        }
    }
    found
}
