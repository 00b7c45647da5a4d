//! The rules that hold only for replicas that come to a node.

use icefield_placement::{Acceptance, Demand, Host, ReplicaId};
use icefield_spec::{Name, Rules};

use super::{demand_of, label_of, need, placed, resources};
use crate::fleet::Fleet;

/// Breaches by what is elsewhere in `after` than in `before`.
pub(crate) fn breaches(before: &Fleet, after: &Fleet) -> Vec<String> {
    let mut found = Vec::new();
    for (id, at) in after.placement.iter() {
        let stayed = before.placement.get(&id).is_some_and(|old| old.node == at.node);
        let Some(demand) = demand_of(after, &id).filter(|_| !stayed) else { continue };
        found.extend(over_quota(after, &id, demand));
        found.extend(ahead(after, &id, &at.node));
        found.extend(astray(after, &id, &at.node));
    }
    found
}

/// What of its namespace's quota is exceeded by what the replica needs some of.
fn over_quota(fleet: &Fleet, id: &ReplicaId, demand: &Demand) -> Vec<String> {
    let Some((namespace, quota)) =
        demand.namespace.as_ref().and_then(|namespace| Some((namespace, fleet.quotas.get(namespace)?)))
    else {
        return Vec::new();
    };
    let all = fleet.placement.iter().filter_map(|(id, _)| demand_of(fleet, &id));
    let members: Vec<_> = all.filter(|demand| demand.namespace.as_ref() == Some(namespace)).collect();
    let mut found = Vec::new();
    if quota.replicas.is_some_and(|most| members.len() > most as usize) {
        found.push(format!("{id}: {} replicas are in {namespace}", members.len()));
    }
    for resource in resources(fleet) {
        let most = match resource.as_str() {
            "cpu" => quota.cpu.map(|cpu| cpu.millis()),
            "memory" => quota.memory.map(|memory| memory.get()),
            other => quota.resources.get(other).map(|amount| amount.get()),
        };
        let used: u64 = members.iter().map(|demand| need(demand, &resource)).sum();
        if most.is_some_and(|most| used > most) && need(demand, &resource) > 0 {
            found.push(format!("{id}: {namespace} needs {used} {resource}"));
        }
    }
    found
}

/// The labels by which the domain of `node` is too far ahead of others.
fn ahead(fleet: &Fleet, id: &ReplicaId, node: &Name) -> Vec<String> {
    let demands = || fleet.services[&id.service].iter().filter(|demand| !demand.indexes.is_empty());
    let mut found = Vec::new();
    for spread in demands().flat_map(|demand| &demand.rules.spread) {
        let (label, Some(most)) = (&spread.label, spread.max_skew) else { continue };
        // Of the demands that limit the skew over a label, the first says which domains count.
        let sets = |demand: &&Demand| {
            demand.rules.spread.iter().any(|spread| spread.label == *label && spread.max_skew.is_some())
        };
        let Some(first) = demands().find(sets) else { continue };
        let count = |value: &String| {
            placed(fleet, &id.service).filter(|(_, at)| label_of(fleet, &at.node, label) == Some(value)).count()
        };
        let eligible = fleet.hosts.values().filter(|host| may_hold(&first.rules, host));
        let Some(own) = label_of(fleet, node, label) else {
            found.push(format!("{id}: {node} has no {label}"));
            continue;
        };
        // What counts is how things were just before the last one came here.
        let before = |value: &String| count(value) - usize::from(value == own);
        let fewest = eligible.filter_map(|host| host.labels.get(label)).map(before).min().unwrap_or(0);
        if count(own) > fewest + most as usize {
            found.push(format!("{id}: skew over {label}"));
        }
    }
    found
}

/// The labels by which `node` is not near the others of the service, if it is kept with itself.
fn astray(fleet: &Fleet, id: &ReplicaId, node: &Name) -> Vec<String> {
    let demands = fleet.services[&id.service].iter().filter(|demand| !demand.indexes.is_empty());
    let own = demands.flat_map(|demand| &demand.rules.keep_with).filter(|company| company.service == id.service);
    let near = |label: &str| {
        let same = |other: &Name| label_of(fleet, other, label) == label_of(fleet, node, label);
        placed(fleet, &id.service).filter(|(_, at)| same(&at.node)).count()
    };
    let alone = own.filter(|company| placed(fleet, &id.service).count() > 1 && near(&company.label) < 2);
    alone.map(|company| format!("{id}: it is alone by {}", company.label)).collect()
}

fn may_hold(rules: &Rules, host: &Host) -> bool {
    let value = |label: &String| host.labels.get(label).map(String::as_str);
    host.acceptance <= Acceptance::Cordoned
        && rules.require.iter().all(|(label, condition)| condition.admits(value(label)))
        && host.taints.iter().all(|taint| rules.tolerate.contains(taint))
}
