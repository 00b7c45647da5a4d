use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use icefield_placement::{Assignment, Demand, Host};
use icefield_spec::Name;

use super::{Case, Found};

/// Every placed replica that is wanted and is on a node that exists.
pub(super) struct Standing<'a> {
    /// The nodes, by number.
    pub(super) hosts: Vec<&'a Host>,
    /// The replicas, by service.
    pub(super) replicas: Vec<Replica<'a>>,
    /// The services, and which of the replicas are theirs.
    pub(super) services: Vec<Service<'a>>,
}

/// A placed replica.
pub(super) struct Replica<'a> {
    pub(super) service: &'a Name,
    pub(super) index: u32,
    pub(super) demand: &'a Demand,
    /// The number of its node.
    pub(super) host: usize,
    pub(super) at: &'a Assignment,
}

/// A service that is wanted.
pub(super) struct Service<'a> {
    pub(super) name: &'a Name,
    pub(super) demands: &'a [Demand],
    pub(super) range: Range<usize>,
    /// Whether all of it is placed.
    pub(super) whole: bool,
}

impl<'a> Standing<'a> {
    pub(super) fn of(&self, service: &Service<'_>) -> &[Replica<'a>] {
        &self.replicas[service.range.clone()]
    }
}

/// Finds for each placed replica what wants it and where it is; reports those of which either is missing, and those of
/// which the engine says something else.
pub(super) fn locate<'a>(case: &Case<'a>, found: &mut Found) -> Standing<'a> {
    let hosts: Vec<&Host> = case.hosts.values().collect();
    let numbers: HashMap<&Name, usize> = case.hosts.keys().enumerate().map(|(number, name)| (name, number)).collect();
    let (mut replicas, mut services) = (Vec::with_capacity(case.placement.len()), Vec::new());
    let mut told = told(case, found);
    for name in case.placement.services().filter(|name| !case.services.contains_key(*name)) {
        for (index, _) in case.placement.service(name.as_str()) {
            found.report(|| format!("{name}/{index} is placed but not wanted"));
        }
    }
    for (name, demands) in case.services {
        let mut wanted = wanted(demands);
        let mut told = told.remove(name).unwrap_or_default();
        let (start, count, mut placed) = (replicas.len(), wanted.len(), 0);
        for (index, at) in case.placement.service(name.as_str()) {
            let Some(demand) = wanted.remove(&index) else {
                found.report(|| format!("{name}/{index} is placed but not wanted"));
                continue;
            };
            placed += 1;
            if told.remove(&index) {
                found.report(|| format!("{name}/{index} is placed but said to fit nowhere"));
            }
            match numbers.get(&at.node) {
                Some(host) => replicas.push(Replica { service: name, index, demand, host: *host, at }),
                None => found.report(|| format!("{name}/{index} is on {}, which does not exist", at.node)),
            }
        }
        for index in wanted.keys().filter(|index| !told.contains(*index)) {
            found.report(|| format!("{name}/{index} is placed nowhere and nothing is said of it"));
        }
        for index in told.iter().filter(|index| !wanted.contains_key(*index)) {
            found.report(|| format!("{name}/{index} is said to fit nowhere but is not wanted"));
        }
        services.push(Service { name, demands, range: start..replicas.len(), whole: placed == count });
    }
    Standing { hosts, replicas, services }
}

/// What the engine says fits nowhere, by service.
fn told<'a>(case: &Case<'a>, found: &mut Found) -> BTreeMap<&'a Name, BTreeSet<u32>> {
    let mut told: BTreeMap<&Name, BTreeSet<u32>> = BTreeMap::new();
    for unplaced in case.unplaced {
        let id = &unplaced.replica;
        if !told.entry(&id.service).or_default().insert(id.index) {
            found.report(|| format!("{id} is said to fit nowhere twice"));
        }
        if unplaced.reasons.is_empty() {
            found.report(|| format!("{id} is said to fit nowhere without a reason"));
        }
        if !case.services.contains_key(&id.service) {
            found.report(|| format!("{id} is said to fit nowhere but is not wanted"));
        }
    }
    told
}

/// Which demand wants each index: where two ask for the same one, the first.
fn wanted(demands: &[Demand]) -> BTreeMap<u32, &Demand> {
    let mut wanted = BTreeMap::new();
    for demand in demands {
        for index in &demand.indexes {
            wanted.entry(*index).or_insert(demand);
        }
    }
    wanted
}
