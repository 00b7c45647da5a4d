use std::collections::BTreeMap;

use icefield_placement::{Change, ChangeKind, Demand};
use icefield_spec::{Bytes, Condition, Cpu, Layout, Prefer, Spread};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fleet::{Fleet, demand, host, name};

/// Costs are counted in billionths of a point, as by the engine.
pub(crate) const POINT: i64 = 1_000_000_000;

/// A fleet of nodes in zones, on which nothing runs, and services with one demand each.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) fleet: Fleet,
    /// The zone of each node, the nodes by name.
    pub(crate) zones: Vec<&'static str>,
    /// The services, by name.
    pub(crate) demands: Vec<Demand>,
}

/// Up to four nodes and three services of up to four replicas, often too many for the nodes.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let node = (select(&["a", "b"][..]), select(&[1000_u64, 2000, 4000][..]), select(&[1_u64, 2, 4][..]));
    (vec(node, 1..=4), vec(service(), 1..=3)).prop_map(|(nodes, demands)| {
        let mut fleet = Fleet::default();
        let zones = nodes.iter().map(|(zone, ..)| *zone).collect();
        for (at, (zone, cpu, memory)) in nodes.into_iter().enumerate() {
            let mut host = host(&format!("n{at}"), &[("zone", zone)]);
            (host.cpu, host.memory) = (Cpu::from_millis(cpu), Bytes::new(memory << 30));
            fleet.add_host(host);
        }
        for (at, demand) in demands.iter().enumerate() {
            fleet.add_service(&format!("s{at}"), [demand.clone()]);
        }
        Case { fleet, zones, demands }
    })
}

fn service() -> impl Strategy<Value = Demand> {
    let size = (select(&[250_u64, 500, 1000, 1500][..]), select(&[256_u64, 512, 1024, 2048][..]));
    let spread = prop_oneof![
        Just(vec![]),
        Just(vec![Spread::over("zone")]),
        Just(vec![Spread::over("zone"), Spread { max: Some(1), ..Spread::over("node") }]),
        Just(vec![Spread { max: Some(2), ..Spread::over("node") }]),
    ];
    let layout = select(&[Layout::Balanced, Layout::Packed, Layout::Any][..]);
    let rules = (spread, layout, prop::option::of(1..=100), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (1_u32..=4, size, rules).prop_map(|(replicas, (cpu, memory), (spread, layout, weight, in_a, single))| {
        let mut demand = demand(replicas);
        (demand.cpu, demand.memory) = (Cpu::from_millis(cpu), Bytes::new(memory << 20));
        (demand.rules.spread, demand.rules.layout, demand.one_per_node) = (spread, layout, single);
        demand.rules.prefer =
            weight.map(|weight| Prefer { label: "zone".into(), value: "b".into(), weight }).into_iter().collect();
        if in_a {
            demand.rules.require.insert("zone".into(), Condition::one_of(["a"]));
        }
        demand
    })
}

impl Case {
    pub(crate) fn capacity(&self, node: usize) -> [i64; 2] {
        let host = &self.fleet.hosts[&name(&format!("n{node}"))];
        [host.cpu.millis() as i64, host.memory.get() as i64]
    }

    pub(crate) fn need(&self, service: usize) -> [i64; 2] {
        let demand = &self.demands[service];
        [demand.cpu.millis() as i64, demand.memory.get() as i64]
    }

    /// How many replicas of each service `changes` put on each node.
    pub(crate) fn counts(&self, changes: &[Change]) -> Vec<Vec<u32>> {
        let mut counts = vec![vec![0; self.demands.len()]; self.zones.len()];
        for change in changes {
            let ChangeKind::Place { to } = &change.kind else { panic!("{change:?}") };
            let number = |text: &str| text[1..].parse::<usize>().unwrap();
            counts[number(to.node.as_str())][number(change.replica.service.as_str())] += 1;
        }
        counts
    }

    /// Whether `node` may hold so many replicas of each service, whatever is elsewhere.
    pub(crate) fn holds(&self, node: usize, counts: &[u32]) -> bool {
        let capacity = self.capacity(node);
        let fits = (0..2).all(|at| {
            let used =
                (0..).zip(counts).map(|(service, count)| self.need(service)[at] * i64::from(*count)).sum::<i64>();
            used <= capacity[at]
        });
        fits && self.demands.iter().zip(counts).filter(|(_, count)| **count > 0).all(|(demand, count)| {
            let rules = &demand.rules;
            let most = rules.spread.iter().filter(|spread| spread.label == "node").filter_map(|spread| spread.max);
            let zone = rules.require.get("zone").is_none_or(|zone| zone.admits(Some(self.zones[node])));
            zone && most.min().is_none_or(|most| *count <= most) && (!demand.one_per_node || *count == 1)
        })
    }

    /// What `node` costs with so many replicas of each service, by what is on it alone.
    pub(crate) fn node_cost(&self, node: usize, counts: &[u32]) -> i64 {
        let capacity = self.capacity(node);
        let share = |amounts: [i64; 2]| {
            let part = |at: usize| (amounts[at] as f64 * (1e6 / capacity[at] as f64)) as i64;
            part(0).max(part(1))
        };
        let (mut used, mut fill, mut cost) = ([0; 2], 0, 0);
        for (service, count) in counts.iter().enumerate() {
            let (need, rules) = (self.need(service), &self.demands[service].rules);
            let count = i64::from(*count);
            used = [used[0] + need[0] * count, used[1] + need[1] * count];
            fill += count
                * match rules.layout {
                    Layout::Balanced => share(need),
                    Layout::Packed => -share(need),
                    Layout::Any => 0,
                };
            // What is not gained is a cost, so that none is below zero.
            let gains = rules.prefer.iter().filter(|rule| rule.value != self.zones[node]);
            cost += count * gains.map(|rule| i64::from(rule.weight) * POINT).sum::<i64>();
            let by_node = rules.spread.iter().position(|spread| spread.label == "node");
            cost += by_node.map_or(0, |position| ((128 * POINT) >> position) * count * (count - 1) / 2);
        }
        let largest = |at: usize| (0..self.zones.len()).map(|node| self.capacity(node)[at]).max().unwrap_or(1);
        let part = |at: usize| (capacity[at] as f64 * 1e6 / largest(at) as f64) as i64;
        cost + share(used) * fill / 1000 * part(0).min(part(1)) / 1_000_000
    }

    /// What the first replica beside `neighbours` others in a zone costs.
    pub(crate) fn zone_step(&self, service: usize, neighbours: u32) -> i64 {
        let spread = self.demands[service].rules.spread.iter().position(|spread| spread.label == "zone");
        spread.map_or(0, |position| ((128 * POINT) >> position) * i64::from(neighbours))
    }

    /// What a whole placement costs.
    pub(crate) fn cost(&self, counts: &[Vec<u32>]) -> i64 {
        let nodes: i64 = counts.iter().enumerate().map(|(node, counts)| self.node_cost(node, counts)).sum();
        let mut zones: BTreeMap<(&str, usize), u32> = BTreeMap::new();
        for (zone, counts) in self.zones.iter().zip(counts) {
            for (service, count) in counts.iter().enumerate() {
                *zones.entry((zone, service)).or_default() += count;
            }
        }
        let steps = zones.into_iter().flat_map(|((_, service), count)| (0..count).map(move |at| (service, at)));
        nodes + steps.map(|(service, at)| self.zone_step(service, at)).sum::<i64>()
    }
}
