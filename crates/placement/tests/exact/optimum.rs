use std::collections::BTreeMap;

use good_lp::{Expression, Solution, SolverModel, Variable, constraint, microlp, variable, variables};

use crate::case::{Case, POINT};

/// So much is better than any cost: one more replica that is placed.
const PLACED: f64 = 100_000.0;

/// How many replicas must stay unplaced, and what the cheapest placement of the others costs.
///
/// One variable says of each node with each number of replicas of each service that it could hold whether that is what
/// it holds; so whatever a node costs by itself is exact. What a zone costs grows with every replica in it, so a
/// variable for each further one is enough.
pub(crate) fn optimum(case: &Case) -> (usize, i64) {
    let mut all = variables!();
    let mut held: Vec<Vec<(Vec<u32>, Variable)>> = Vec::new();
    for node in 0..case.zones.len() {
        let mut own = Vec::new();
        fill(case, node, &mut Vec::new(), &mut |counts| own.push((counts.to_vec(), all.add(variable().binary()))));
        held.push(own);
    }
    let mut steps: BTreeMap<(&str, usize), Vec<Variable>> = BTreeMap::new();
    for zone in &case.zones {
        for (service, demand) in case.demands.iter().enumerate() {
            let further = || demand.indexes.iter().map(|_| all.add(variable().min(0).max(1))).collect();
            steps.entry((zone, service)).or_insert_with(further);
        }
    }
    let points = |cost: i64| cost as f64 / POINT as f64;
    let mut objective = Expression::from(0.0);
    for (node, own) in held.iter().enumerate() {
        for (counts, variable) in own {
            let placed = f64::from(counts.iter().sum::<u32>());
            objective += (points(case.node_cost(node, counts)) - PLACED * placed) * *variable;
        }
    }
    for ((_, service), further) in &steps {
        for (neighbours, variable) in (0..).zip(further) {
            objective += points(case.zone_step(*service, neighbours)) * *variable;
        }
    }
    let mut model = all.minimise(objective).using(microlp);
    for own in &held {
        model = model.with(constraint!(own.iter().map(|(_, variable)| *variable).sum::<Expression>() == 1));
    }
    let count_in = |nodes: &dyn Fn(usize) -> bool, service: usize| -> Expression {
        let own = held.iter().enumerate().filter(|(node, _)| nodes(*node)).flat_map(|(_, own)| own);
        own.map(|(counts, variable)| f64::from(counts[service]) * *variable).sum()
    };
    for (service, demand) in case.demands.iter().enumerate() {
        model = model.with(constraint!(count_in(&|_| true, service) <= demand.indexes.len() as f64));
    }
    for ((zone, service), further) in &steps {
        let there = count_in(&|node| case.zones[node] == *zone, *service);
        model = model.with(constraint!(there == further.iter().sum::<Expression>()));
    }
    let solution = model.solve().unwrap();
    let chosen = held.iter().map(|own| {
        let chosen = own.iter().max_by(|a, b| solution.value(a.1).total_cmp(&solution.value(b.1)));
        chosen.unwrap().0.clone()
    });
    let counts: Vec<Vec<u32>> = chosen.collect();
    let placed: u32 = counts.iter().flatten().sum();
    let wanted: usize = case.demands.iter().map(|demand| demand.indexes.len()).sum();
    (wanted - placed as usize, case.cost(&counts))
}

/// Every number of replicas of each service that `node` can hold.
fn fill(case: &Case, node: usize, counts: &mut Vec<u32>, found: &mut dyn FnMut(&[u32])) {
    if counts.len() == case.demands.len() {
        found(counts);
        return;
    }
    for count in 0..=case.demands[counts.len()].indexes.len() as u32 {
        counts.push(count);
        if case.holds(node, counts) {
            fill(case, node, counts, found);
        }
        counts.pop();
    }
}
