mod services;

use std::collections::{BTreeMap, BTreeSet};

use crate::{Cost, Problem, Refusal, Rule, Violation};

/// What a layout costs and which hard rules it breaks, straight from the definitions: slow, and sharing no code with
/// [`State`](crate::State), so that the one can be held against the other.
///
/// # Errors
/// The problem does not pass [`Problem::check`], or the layout does not fit it.
pub fn evaluate(problem: &Problem, layout: &[Option<u32>]) -> Result<(Cost, Vec<Violation>), Refusal> {
    problem.check()?;
    problem.check_layout(layout)?;
    let view = View { problem, layout };
    let mut violations = Vec::new();
    view.check_nodes(&mut violations);
    view.check_services(&mut violations);
    let unplaced = (0..layout.len()).filter(|replica| layout[*replica].is_none());
    let unplaced = unplaced.map(|replica| view.kind(replica).importance).sum();
    let amount = view.node_costs() - view.gains() + view.evenness() + view.move_costs();
    Ok((Cost { unplaced, amount }, violations))
}

/// A layout of a problem.
struct View<'a> {
    problem: &'a Problem,
    layout: &'a [Option<u32>],
}

impl View<'_> {
    fn kind(&self, replica: usize) -> &crate::Kind {
        &self.problem.kinds[self.problem.replicas[replica].kind as usize]
    }

    /// The placed replicas, each with its node.
    fn placed(&self) -> impl Iterator<Item = (usize, u32)> {
        self.layout.iter().enumerate().filter_map(|(replica, node)| Some((replica, (*node)?)))
    }

    fn used(&self, node: u32, resource: usize) -> i64 {
        self.placed().filter(|(_, on)| *on == node).map(|(replica, _)| self.kind(replica).need[resource]).sum()
    }

    /// What replicas that are no longer on the node still hold there.
    fn left(&self, node: u32, resource: usize) -> i64 {
        let replicas = self.problem.replicas.iter().enumerate();
        let gone = replicas.filter(|(index, replica)| replica.start == Some(node) && self.layout[*index] != Some(node));
        gone.map(|(index, _)| self.kind(index).need[resource]).sum()
    }

    fn check_nodes(&self, violations: &mut Vec<Violation>) {
        for (number, node) in (0..).zip(&self.problem.nodes) {
            for (index, resource) in self.problem.resources.iter().enumerate() {
                let left = if resource.transient { self.left(number, index) } else { 0 };
                let by = self.used(number, index) + left - node.capacity[index];
                if by > 0 {
                    violations.push(Violation { rule: Rule::Capacity { node: number, resource: index as u32 }, by });
                }
            }
        }
        let mut keys: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        for (replica, node) in self.placed() {
            let kind = self.kind(replica);
            if kind.allowed.as_ref().is_some_and(|allowed| !allowed.contains(node)) {
                violations.push(Violation { rule: Rule::Allowed { replica: replica as u32 }, by: 1 });
            }
            kind.exclusive.iter().for_each(|key| *keys.entry((node, *key)).or_default() += 1);
        }
        for ((node, key), times) in keys.into_iter().filter(|(_, times)| *times > 1) {
            violations.push(Violation { rule: Rule::Exclusive { node, key }, by: times - 1 });
        }
    }

    /// Loads, balances and fill.
    fn node_costs(&self) -> i64 {
        let mut cost = 0;
        for (number, node) in (0..).zip(&self.problem.nodes) {
            let used: Vec<i64> = (0..self.problem.resources.len()).map(|index| self.used(number, index)).collect();
            for (index, resource) in self.problem.resources.iter().enumerate() {
                cost += resource.load_weight * (used[index] - node.comfort[index]).max(0);
            }
            for balance in &self.problem.balances {
                let free = |resource: u32| node.capacity[resource as usize] - used[resource as usize];
                cost += balance.weight * (balance.target * free(balance.of) - free(balance.against)).max(0);
            }
            let share = |using: &[i64]| {
                let shares = using.iter().zip(&node.capacity).filter(|(_, capacity)| **capacity > 0);
                shares
                    .map(|(using, capacity)| i128::from(*using) * 1_000_000 / i128::from(*capacity))
                    .max()
                    .unwrap_or(0)
            };
            let fills = self.placed().filter(|(_, on)| *on == number).map(|(replica, _)| self.kind(replica));
            let fills: i128 = fills.map(|kind| i128::from(kind.fill) * share(&kind.need)).sum();
            let fill = i128::from(self.problem.fill_scale) * share(&used) * fills / 1_000_000_000_000;
            cost += fill as i64;
        }
        cost
    }

    fn gains(&self) -> i64 {
        let mut points = 0;
        for (replica, node) in self.placed() {
            for gain in &self.kind(replica).gains {
                let domain = self.problem.labels[gain.label as usize].domain_of[node as usize];
                points += if domain == gain.domain { gain.points } else { 0 };
            }
        }
        points
    }

    fn move_costs(&self) -> i64 {
        let moves = &self.problem.moves;
        let mut cost = 0;
        let mut by_service: BTreeMap<u32, i64> = BTreeMap::new();
        for (replica, node) in self.placed() {
            let Some(start) = self.problem.replicas[replica].start.filter(|start| *start != node) else { continue };
            let kind = self.kind(replica);
            *by_service.entry(kind.service).or_default() += 1;
            cost += moves.replica * kind.move_cost;
            if let Some(distance) = &moves.distance {
                cost += moves.node * distance[start as usize * self.problem.nodes.len() + node as usize];
            }
        }
        cost + moves.service * by_service.values().max().copied().unwrap_or(0)
    }

    /// The domains of the placed replicas of a service, one each; `None` for those on a node without the label.
    fn domains(&self, service: usize, label: u32) -> Vec<Option<u32>> {
        let label = &self.problem.labels[label as usize];
        let of_service = self.placed().filter(|(replica, _)| self.kind(*replica).service as usize == service);
        let domains = of_service.map(|(_, node)| label.domain_of[node as usize]);
        domains.map(|domain| (domain != crate::NO_DOMAIN).then_some(domain)).collect()
    }

    /// How many replicas of the service are in each domain that has any.
    fn counts(&self, service: usize, label: u32) -> BTreeMap<u32, i64> {
        let mut counts = BTreeMap::new();
        self.domains(service, label).into_iter().flatten().for_each(|domain| *counts.entry(domain).or_default() += 1);
        counts
    }

    fn distinct(&self, service: usize, label: u32) -> BTreeSet<u32> {
        self.counts(service, label).into_keys().collect()
    }

    /// How many replicas of the service are on nodes without the label.
    fn outside(&self, service: usize, label: u32) -> i64 {
        self.domains(service, label).iter().filter(|domain| domain.is_none()).count() as i64
    }

    fn size(&self, service: usize) -> i64 {
        (0..self.layout.len()).filter(|replica| self.kind(*replica).service as usize == service).count() as i64
    }
}
