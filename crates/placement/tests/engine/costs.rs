//! What a node is given for a replica is what the whole placement gains by it, computed the plain way.

use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::{Assignment, Balance, Demand, ReplicaId, ScorePart, Weight};
use icefield_spec::{Layout, Spread};
use proptest::prelude::*;

use crate::cases::still_fleet;
use crate::checker::{demand_of, has, kept, label_of, limit, need, placed, resources};
use crate::config;
use crate::fleet::Fleet;

/// Costs in points, by the name of the rule.
type Costs = BTreeMap<String, f64>;

const BILLION: f64 = 1e9;

/// What the whole placement costs by the rules of `replica`'s service.
fn costs(fleet: &Fleet, replica: &ReplicaId) -> Costs {
    let demand = demand_of(fleet, replica).unwrap();
    let mut costs = Costs::new();
    for (position, spread) in demand.rules.spread.iter().enumerate() {
        let step = spread.weight.map_or(128 >> position, |weight| weight.min(Spread::MAX_WEIGHT));
        if step > 0 {
            let cost = f64::from(step) * evenness(fleet, replica, demand, &spread.label);
            *costs.entry(format!("spread over {}", spread.label)).or_default() += cost;
        }
    }
    for prefer in &demand.rules.prefer {
        let matching = placed(fleet, &replica.service)
            .filter(|(_, at)| label_of(fleet, &at.node, &prefer.label) == Some(&prefer.value));
        let cost = -f64::from(prefer.weight) * matching.count() as f64;
        *costs.entry(format!("prefer {}={}", prefer.label, prefer.value)).or_default() += cost;
    }
    for (resource, weight) in &fleet.objective.soft_reserve {
        if need(demand, resource) > 0 {
            costs.insert(format!("reserve of {resource}"), reserve(fleet, resource, *weight));
        }
    }
    for balance in &fleet.objective.balance {
        if need(demand, &balance.resource) > 0 || need(demand, &balance.with) > 0 {
            let rule = format!("balance of {} and {}", balance.resource, balance.with);
            *costs.entry(rule).or_default() += imbalance(fleet, balance);
        }
    }
    match demand.rules.layout {
        Layout::Balanced => drop(costs.insert("balanced".into(), fill(fleet))),
        Layout::Packed => drop(costs.insert("packed".into(), fill(fleet))),
        Layout::Any => {}
    }
    costs
}

/// Pairs of replicas that share a domain; one without a domain shares that of all that there should be.
fn evenness(fleet: &Fleet, replica: &ReplicaId, demand: &Demand, label: &str) -> f64 {
    let mut domains: BTreeMap<&String, usize> = BTreeMap::new();
    let mut outside = 0;
    for (_, at) in placed(fleet, &replica.service) {
        match label_of(fleet, &at.node, label) {
            Some(value) => *domains.entry(value).or_default() += 1,
            None => outside += 1,
        }
    }
    let pairs: usize = domains.values().map(|count| count * (count - 1) / 2).sum();
    (pairs + outside * demand.indexes.len()) as f64
}

/// What is on each node, by the demand of each replica.
fn on_nodes(fleet: &Fleet) -> impl Iterator<Item = (&icefield_placement::Host, Vec<&Demand>)> {
    fleet.hosts.iter().map(|(name, host)| {
        let there = fleet.placement.iter().filter(|(_, at)| at.node == *name);
        (host, there.filter_map(|(id, _)| demand_of(fleet, &id)).collect())
    })
}

fn used(demands: &[&Demand], resource: &str) -> i128 {
    demands.iter().map(|demand| i128::from(need(demand, resource))).sum()
}

fn weighed(weight: Weight, pieces: i128) -> f64 {
    ((pieces.max(0) * i128::from(weight.factor)) >> weight.shift) as f64 / BILLION
}

fn reserve(fleet: &Fleet, resource: &str, weight: Weight) -> f64 {
    let nodes = on_nodes(fleet).map(|(host, demands)| {
        let left = i128::from(has(host, resource)) - used(&demands, resource);
        weighed(weight, i128::from(kept(host, resource)) - left)
    });
    nodes.sum()
}

fn imbalance(fleet: &Fleet, balance: &Balance) -> f64 {
    let nodes = on_nodes(fleet).map(|(host, demands)| {
        let left = |resource: &str| i128::from(has(host, resource)) - used(&demands, resource);
        let missing =
            i128::from(balance.target) * left(&balance.resource) - i128::from(balance.ratio) * left(&balance.with);
        weighed(balance.weight, missing)
    });
    nodes.sum()
}

/// For each node, how full it is times what its replicas make of that: their share, less than nothing if packed. Of that
/// what its size is of the largest.
fn fill(fleet: &Fleet) -> f64 {
    let usable = |host: &icefield_placement::Host, resource: &str| limit(fleet, host, resource) as f64;
    let size = |host: &icefield_placement::Host| {
        let parts = ["cpu", "memory"].into_iter().filter_map(|resource| {
            let largest = fleet.hosts.values().map(|host| usable(host, resource)).fold(0.0, f64::max);
            (largest > 0.0).then(|| usable(host, resource) / largest)
        });
        parts.reduce(f64::min).unwrap_or(1.0)
    };
    let nodes = on_nodes(fleet).map(|(host, demands)| {
        let share = |amount: i128, resource: &str| match usable(host, resource) {
            0.0 => 0.0,
            all => amount as f64 / all,
        };
        let all: BTreeSet<String> = resources(fleet);
        let largest = |shares: &mut dyn Iterator<Item = f64>| shares.fold(0.0, f64::max);
        let full = largest(&mut all.iter().map(|resource| share(used(&demands, resource), resource)));
        let weight = |demand: &&Demand| {
            let own = largest(&mut all.iter().map(|resource| share(need(demand, resource).into(), resource)));
            match demand.rules.layout {
                Layout::Balanced => own,
                Layout::Packed => -own,
                Layout::Any => 0.0,
            }
        };
        full * demands.iter().map(weight).sum::<f64>() * size(host)
    });
    nodes.sum()
}

/// Whether `score` is what the placement gains by `replica` on a node, rule by rule.
fn is_gain(
    without: &Fleet,
    replica: &ReplicaId,
    node: &icefield_spec::Name,
    score: &[ScorePart],
) -> Result<(), TestCaseError> {
    let mut with = without.clone();
    let revision = demand_of(without, replica).unwrap().revision;
    with.placement.insert(replica.clone(), Assignment { node: node.clone(), revision, ports: BTreeMap::new() });
    let mut given = Costs::new();
    for part in score {
        *given.entry(part.rule.clone()).or_default() += part.points;
    }
    let (before, after) = (costs(without, replica), costs(&with, replica));
    prop_assert_eq!(given.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (rule, points) in given {
        let gain = before[&rule] - after[&rule];
        // The engine counts shares in millionths, and more than a number can hold as the most that it can.
        let near = (points - gain).abs() <= 2e-5 + gain.abs() * 1e-5;
        let countable = before[&rule].abs().max(after[&rule].abs()) < 4e9;
        prop_assert!(near || !countable, "{replica} on {node}: {rule} gives {points}, not {gain}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn points_are_what_the_placement_gains(mut fleet in still_fleet()) {
        fleet.services.values_mut().for_each(|demands| demands.truncate(1));
        let settled = fleet.after(&fleet.solve());
        let mut engine = settled.engine();
        if !engine.solve().changes.is_empty() {
            // It finds room that it did not find at first, so that what it explains is not what is settled.
            return Ok(());
        }
        for service in settled.services.keys() {
            for explanation in engine.explain_service(service) {
                let replica = &explanation.replica;
                let mut without = settled.clone();
                without.placement.remove(replica);
                if let Some(at) = &explanation.assignment {
                    is_gain(&without, replica, &at.node, &explanation.score)?;
                }
                for other in &explanation.alternatives {
                    is_gain(&without, replica, &other.node, &other.score)?;
                }
            }
        }
        // Nothing is on a node beyond what it may give.
        for (host, demands) in on_nodes(&settled) {
            for resource in resources(&settled) {
                prop_assert!(used(&demands, &resource) <= limit(&settled, host, &resource).into());
            }
        }
    }
}
