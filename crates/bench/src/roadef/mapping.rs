use std::sync::Arc;

use icefield_placement::{
    Assignment, Balance, Change, ChangeKind, Demand, Distances, Engine, Host, Moves, Objective, ReplicaId, Weight,
};
use icefield_spec::{Amount, Bytes, Company, Cpu, Layout, Name, Revision, Rules, Spread};

use super::instance::Instance;

/// The challenge's words in the engine's: a machine is a node, a process a replica, conflict at most one per node, spread
/// a least number of domains of the label `location`, dependency company in a domain of the label `neighbourhood`, a
/// safety capacity what is kept in reserve at a cost.
pub(super) fn engine(instance: &Instance, initial: &[u32]) -> Engine {
    let mut engine = Engine::new();
    engine.set_objective(objective(instance));
    for (number, machine) in instance.machines.iter().enumerate() {
        let mut host = Host::new(node(number), Cpu::default(), Bytes::default());
        for (resource, (capacity, safety)) in machine.capacity.iter().zip(&machine.safety).enumerate() {
            let reserve = capacity.saturating_sub(*safety).max(0).unsigned_abs();
            host.resources.insert(resource_name(resource), Amount::Count(capacity.unsigned_abs()));
            host.reserve.resources.insert(resource_name(resource), Amount::Count(reserve));
        }
        host.labels.insert("location".into(), machine.location.to_string());
        host.labels.insert("neighbourhood".into(), machine.neighbourhood.to_string());
        engine.set_host(host);
    }
    let mut demands: Vec<Vec<Demand>> = vec![Vec::new(); instance.services.len()];
    let indexes = instance.processes.iter().zip(initial).zip(indexes(instance));
    for ((process, machine), index) in indexes {
        let number = process.service as usize;
        let id = ReplicaId::new(service(number), index);
        let assignment = Assignment { node: node(*machine as usize), revision: revision(), ports: Default::default() };
        engine.set_replica(id, Some(assignment));
        demands[number].push(demand(instance, process, index));
    }
    for (number, demands) in demands.into_iter().enumerate() {
        engine.set_service(service(number), demands);
    }
    engine
}

/// `initial` with what `changes` move.
pub(super) fn assignment(instance: &Instance, initial: &[u32], changes: &[Change]) -> Option<Vec<u32>> {
    let ids = instance.processes.iter().zip(indexes(instance));
    let numbers = ids.enumerate().map(|(number, (process, index))| ((process.service, index), number));
    let numbers: std::collections::HashMap<(u32, u32), usize> = numbers.collect();
    let mut assignment = initial.to_vec();
    for change in changes {
        let ChangeKind::Move { to, .. } = &change.kind else { return None };
        let number = |name: &Name| name.as_str()[1..].parse::<u32>().ok();
        let process = numbers.get(&(number(&change.replica.service)?, change.replica.index))?;
        assignment[*process] = number(&to.node)?;
    }
    Some(assignment)
}

/// Which of its service's replicas each process is.
fn indexes(instance: &Instance) -> impl Iterator<Item = u32> {
    let mut counts = vec![0; instance.services.len()];
    instance.processes.iter().map(move |process| {
        let count = &mut counts[process.service as usize];
        *count += 1;
        *count - 1
    })
}

fn demand(instance: &Instance, process: &super::instance::Process, index: u32) -> Demand {
    let rules = &instance.services[process.service as usize];
    let least = Some(rules.spread).filter(|least| *least > 1);
    let spread = least.map(|least| Spread { min_domains: Some(least), weight: Some(0), ..Spread::over("location") });
    let needs =
        rules.needs.iter().map(|other| Company { service: service(*other as usize), label: "neighbourhood".into() });
    let amounts = process.requirement.iter().enumerate();
    Demand {
        revision: revision(),
        indexes: vec![index],
        cpu: Cpu::default(),
        memory: Bytes::default(),
        resources: amounts
            .map(|(resource, need)| (resource_name(resource), Amount::Count(need.unsigned_abs())))
            .collect(),
        ports: Default::default(),
        rules: Rules {
            spread: spread.into_iter().collect(),
            keep_with: needs.collect(),
            layout: Layout::Any,
            move_cost: Some(u32::try_from(process.move_cost).unwrap_or(u32::MAX)),
            ..Rules::default()
        },
        one_per_node: true,
        driver: None,
        priority: 0,
        namespace: None,
        ties: Default::default(),
        beside: false,
    }
}

fn objective(instance: &Instance) -> Objective {
    let weight = |weight: i64| Weight { factor: weight.unsigned_abs(), shift: 0 };
    let resources = || instance.resources.iter().enumerate();
    let named = |number: u32| resource_name(number as usize);
    let ways = instance.machines.iter().flat_map(|machine| &machine.move_cost);
    let ways = ways.map(|way| u32::try_from(*way).unwrap_or(u32::MAX)).collect();
    let distance = Distances::new((0..instance.machines.len()).map(node), ways);
    Objective {
        transient: resources().filter(|(_, from)| from.transient).map(|(number, _)| resource_name(number)).collect(),
        soft_reserve: resources().map(|(number, from)| (resource_name(number), weight(from.load_weight))).collect(),
        balance: instance
            .balances
            .iter()
            .map(|from| Balance {
                resource: named(from.first),
                with: named(from.second),
                target: from.target.unsigned_abs(),
                ratio: 1,
                weight: weight(from.weight),
            })
            .collect(),
        moves: Moves {
            replica: instance.process_move_weight.unsigned_abs(),
            service: instance.service_move_weight.unsigned_abs(),
            node: instance.machine_move_weight.unsigned_abs(),
            distance: distance.map(Arc::new),
        },
    }
}

/// With leading zeros, so that the order of names is that of numbers.
fn node(number: usize) -> Name {
    name(format!("m{number:06}"))
}

fn service(number: usize) -> Name {
    name(format!("s{number:06}"))
}

fn name(text: String) -> Name {
    Name::new(&text).expect("a letter and a few digits are a name")
}

fn resource_name(number: usize) -> String {
    format!("r{number:03}")
}

fn revision() -> Revision {
    Revision::of("process")
}
