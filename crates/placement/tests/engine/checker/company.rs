//! The rules that count replicas. What any demand of a service sets, holds for all of its replicas.

use std::collections::BTreeSet;

use icefield_placement::{Assignment, Demand, ReplicaId};
use icefield_spec::{Company, Name};

use super::{label_of, placed};
use crate::fleet::Fleet;

/// Breaches by `id` at `at`.
pub(super) fn breaches(fleet: &Fleet, id: &ReplicaId, at: &Assignment) -> Vec<String> {
    let mut found = Vec::new();
    let demands = || fleet.services[&id.service].iter().filter(|demand| !demand.indexes.is_empty());
    for demand in demands() {
        for spread in &demand.rules.spread {
            let label = &spread.label;
            if let Some(max) = spread.max {
                match near(fleet, &id.service, &at.node, label) {
                    None => found.push(format!("{id}: {} has no {label}", at.node)),
                    Some(count) if count > max as usize => found.push(format!("{id}: spread {label} max {max}")),
                    Some(_) => {}
                }
            }
            if spread.min_domains.is_some_and(|least| reach(fleet, &id.service, label) < least as usize) {
                found.push(format!("{id}: min_domains of {label}, {} placed", placed(fleet, &id.service).count()));
            }
        }
        let on_node = placed(fleet, &id.service).filter(|(_, other)| other.node == at.node);
        if demand.one_per_node && on_node.count() > 1 {
            found.push(format!("{id}: more than one on {}", at.node));
        }
        for company in &demand.rules.keep_with {
            if near(fleet, &company.service, &at.node, &company.label).is_none_or(|count| count == 0) {
                found.push(format!("{id}: no {} near by {}", company.service, company.label));
            }
        }
    }
    for (other, company) in enemies(fleet, &id.service) {
        let own = usize::from(other == id.service);
        if near(fleet, &other, &at.node, &company.label).is_some_and(|count| count > own) {
            found.push(format!("{id}: {other} is near by {}", company.label));
        }
    }
    found
}

/// How many replicas of `service` are near `node`, on a node with the same value of `label`; `None` if it has none.
fn near(fleet: &Fleet, service: &Name, node: &Name, label: &str) -> Option<usize> {
    let own = label_of(fleet, node, label)?;
    Some(placed(fleet, service).filter(|(_, at)| label_of(fleet, &at.node, label) == Some(own)).count())
}

/// How many domains of `label` the service can come to be in with all its replicas; none if those are too few anyhow.
fn reach(fleet: &Fleet, service: &Name, label: &str) -> usize {
    let domains: BTreeSet<_> = placed(fleet, service).filter_map(|(_, at)| label_of(fleet, &at.node, label)).collect();
    let indexes: BTreeSet<_> = fleet.services[service].iter().flat_map(|demand| &demand.indexes).collect();
    domains.len() + indexes.len() - placed(fleet, service).count()
}

/// Those that must be apart from `service`, whichever of the two says so, and how far.
fn enemies<'a>(fleet: &'a Fleet, service: &'a Name) -> impl Iterator<Item = (Name, &'a Company)> {
    let says = |demand: &&Demand| !demand.indexes.is_empty();
    fleet.services.iter().flat_map(move |(name, demands)| {
        let companies = demands.iter().filter(says).flat_map(|demand| &demand.rules.keep_from);
        companies.filter_map(move |company| {
            if name == service {
                Some((company.service.clone(), company))
            } else {
                (company.service == *service).then(|| (name.clone(), company))
            }
        })
    })
}
