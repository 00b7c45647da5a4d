use std::collections::BTreeMap;

use icefield_search::{
    Balance, Kind, Label, Limit, Link, MinDomains, Moves, Node, Problem, Replica, Resource, Service,
};

use super::instance::Instance;

/// The labels that the challenge's rules are about, by index.
const MACHINE: u32 = 0;
const LOCATION: u32 = 1;
const NEIGHBOURHOOD: u32 = 2;

/// The challenge's rules as the engine's: conflict is at most one per machine, spread a least number of locations,
/// dependency nearness in the neighbourhood.
pub(super) fn problem(instance: &Instance, initial: &[u32]) -> Problem {
    let resources = instance.resources.iter();
    let resources = resources
        .map(|from| Resource { transient: from.transient, load_weight: from.load_weight, fills: false })
        .collect();
    let nodes = instance.machines.iter();
    let nodes = nodes.map(|from| Node {
        capacity: from.capacity.as_slice().into(),
        comfort: from.safety.as_slice().into(),
        size: 1_000_000,
    });
    let balances = instance.balances.iter();
    let balances =
        balances.map(|from| Balance { of: from.first, against: from.second, target: from.target, weight: from.weight });
    let labels = vec![
        label((0..).take(instance.machines.len())),
        label(instance.machines.iter().map(|machine| machine.location)),
        label(instance.machines.iter().map(|machine| machine.neighbourhood)),
    ];
    let kinds = instance.processes.iter().map(|process| Kind {
        service: process.service,
        need: process.requirement.as_slice().into(),
        move_cost: process.move_cost,
        ..Kind::default()
    });
    let services = instance.services.iter().map(|service| Service {
        limits: vec![Limit { label: MACHINE, max: 1 }],
        min_domains: match service.spread {
            0 | 1 => Vec::new(),
            count => vec![MinDomains { label: LOCATION, count }],
        },
        near: service.needs.iter().map(|service| Link { service: *service, label: NEIGHBOURHOOD }).collect(),
        ..Service::default()
    });
    let replicas = (0..).zip(initial).map(|(kind, machine)| Replica { kind, start: Some(*machine), movable: true });
    Problem {
        resources,
        nodes: nodes.collect(),
        balances: balances.collect(),
        labels,
        kinds: kinds.collect(),
        services: services.collect(),
        replicas: replicas.collect(),
        moves: Moves {
            replica: instance.process_move_weight,
            service: instance.service_move_weight,
            node: instance.machine_move_weight,
            distance: Some(instance.machines.iter().flat_map(|machine| machine.move_cost.iter().copied()).collect()),
        },
        fill_scale: 0,
    }
}

/// The domains by the numbers that the file calls them by, which need not follow each other.
fn label(numbers: impl Iterator<Item = i64>) -> Label {
    let mut domains = BTreeMap::new();
    let domain_of = numbers.map(|number| {
        let next = domains.len() as u32;
        *domains.entry(number).or_insert(next)
    });
    Label { domain_of: domain_of.collect(), domains: domains.len() as u32 }
}
