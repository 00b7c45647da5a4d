use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_search as search;
use icefield_search::{BitSet, NO_DOMAIN, Problem};

use super::group::Group;
use super::id::{LabelId, NodeId, ReplicaKey, ResourceId, ServiceId};
use super::state::State;
use crate::rules::{POINT, step_of};
use crate::{Objective, Weight};

/// What is to be searched, and where it is now.
pub(crate) struct Lowered {
    pub(crate) problem: Problem,
    pub(crate) layout: Vec<Option<u32>>,
    pub(crate) replicas: Vec<ReplicaKey>,
    /// The nodes, by number; in the order of names.
    pub(crate) nodes: Vec<NodeId>,
    /// What one unit of the problem's costs is, in billionths of a point.
    pub(crate) unit: i64,
}

/// What the search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A better layout of what is placed.
    Improve,
    /// Room for what found none, with as few moves of what runs as can be.
    Fit,
}

/// Costs that are too large to be summed are counted in coarser units.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, POINT];

/// What it costs that a running replica makes room.
const DISTURBANCE: i64 = 1_000 * POINT;

/// The state in numbers alone, in an order that depends on names only; `None` if not even coarse units make its costs
/// fit 64 bits.
pub(crate) fn lower(state: &State, purpose: Purpose) -> Option<Lowered> {
    UNITS.into_iter().map(|unit| Lowering::new(state, purpose, unit).run()).find(|made| made.problem.check().is_ok())
}

struct Lowering<'a> {
    state: &'a State,
    purpose: Purpose,
    unit: i64,
    problem: Problem,
    labels: BTreeMap<LabelId, u32>,
    services: BTreeMap<ServiceId, u32>,
    /// The resources that matter, in the problem's order.
    kept: Vec<usize>,
    /// Whether dynamic ports do; they are counted as one more.
    ports: bool,
    /// Pairs of scaled resources that stand for the balances.
    scaled: Vec<Scaled>,
}

/// A resource counted in other units, of which there is always enough.
struct Scaled {
    of: usize,
    times: i128,
    shift: u32,
}

impl Scaled {
    /// Rounded down: needs together never exceed what there is, which is rounded up.
    fn need(&self, amount: i64) -> i64 {
        narrow((i128::from(amount) * self.times) >> self.shift)
    }

    fn have(&self, amount: i64) -> i64 {
        narrow(((i128::from(amount) * self.times) >> self.shift) + 1)
    }
}

fn narrow(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX / 4)
}

impl<'a> Lowering<'a> {
    fn new(state: &'a State, purpose: Purpose, unit: i64) -> Self {
        let (labels, services) = (BTreeMap::new(), BTreeMap::new());
        let world = &state.world;
        let groups = || world.services.iter().flat_map(|service| &service.groups);
        let balanced =
            |name: &str| world.objective.balance.iter().any(|rule| rule.resource == name || rule.with == name);
        let matters = |at: &usize| {
            let resource = ResourceId::new(*at);
            balanced(world.resources.name(resource)) || groups().any(|group| group.need[*at] > 0)
        };
        let kept = (0..world.resources.len()).filter(matters).collect();
        let ports = groups().any(|group| group.dynamic > 0);
        Self { state, purpose, unit, problem: Problem::default(), labels, services, kept, ports, scaled: Vec::new() }
    }

    fn cost(&self, cost: i64) -> i64 {
        cost / self.unit
    }

    fn run(mut self) -> Lowered {
        let world = &self.state.world;
        let nodes = world.order().to_vec();
        self.resources();
        for node in &nodes {
            let made = self.node(*node);
            self.problem.nodes.push(made);
        }
        let mut named: Vec<ServiceId> = (0..world.services.len()).map(ServiceId::new).collect();
        named.sort_by(|a, b| world.service(*a).name.cmp(&world.service(*b).name));
        self.services = named.iter().copied().zip(0..).collect();
        let (mut layout, mut replicas) = (Vec::new(), Vec::new());
        for service in named {
            let rules = self.service(service);
            self.problem.services.push(rules);
            self.replicas(service, &mut layout, &mut replicas);
        }
        self.moves(&nodes);
        self.problem.fill_scale = self.cost(POINT);
        Lowered { problem: self.problem, layout, replicas, nodes, unit: self.unit }
    }

    fn resources(&mut self) {
        let world = &self.state.world;
        for resource in self.kept.iter().copied().map(ResourceId::new) {
            let weight = world.objective.soft_reserve.get(world.resources.name(resource)).copied();
            let weight = weight.filter(|weight| weight.shift == 0).unwrap_or_default();
            let load_weight = self.cost(narrow(weight.factor.into()));
            let transient = world.transient[resource.at()];
            self.problem.resources.push(search::Resource { transient, load_weight, fills: true });
        }
        if self.ports {
            self.problem.resources.push(search::Resource { transient: false, load_weight: 0, fills: false });
        }
        let Objective { soft_reserve, balance, .. } = &world.objective;
        for (name, weight) in soft_reserve.iter().filter(|(_, weight)| weight.shift > 0) {
            if let Some(of) = world.resources.find(name) {
                let (shift, weight) = self.coarse(*weight);
                self.scale(Scaled { of: of.at(), times: 1, shift }, weight);
            }
        }
        for rule in balance {
            let (Some(of), Some(with)) = (world.resources.find(&rule.resource), world.resources.find(&rule.with))
            else {
                continue;
            };
            let exact = rule.weight.shift == 0 && rule.ratio == 1;
            let (of, against, target, weight) = if exact {
                (
                    self.place(of.at()),
                    self.place(with.at()),
                    narrow(rule.target.into()),
                    self.cost(narrow(rule.weight.factor.into())),
                )
            } else {
                let (shift, weight) = self.coarse(rule.weight);
                let of = self.scale(Scaled { of: of.at(), times: rule.target.into(), shift }, 0);
                let with = self.scale(Scaled { of: with.at(), times: rule.ratio.into(), shift }, 0);
                (of, with, 1, weight)
            };
            self.problem.balances.push(search::Balance { of: of as u32, against: against as u32, target, weight });
        }
    }

    /// By how much amounts are to be shifted, and what each unit costs then: `weight`, with as much of its shift taken by
    /// its factor as leaves that ten bits.
    fn coarse(&self, weight: Weight) -> (u32, i64) {
        let factor = i128::from(weight.factor) / i128::from(self.unit);
        let spare = (128 - factor.leading_zeros()).saturating_sub(10);
        let shift = weight.shift.min(62);
        let taken = spare.min(shift);
        (shift - taken, narrow(factor >> taken).max(1))
    }

    /// Where a resource is in the problem.
    fn place(&self, resource: usize) -> usize {
        self.kept.iter().position(|kept| *kept == resource).unwrap_or_default()
    }

    fn scale(&mut self, scaled: Scaled, load_weight: i64) -> usize {
        self.problem.resources.push(search::Resource { transient: false, load_weight, fills: false });
        self.scaled.push(scaled);
        self.problem.resources.len() - 1
    }

    fn node(&self, node: NodeId) -> search::Node {
        let world = &self.state.world;
        let (limits, reserve, whole) = (world.limits(node), world.reserve(node), world.whole(node));
        let range = self.state.ports(node).range().count();
        let mut capacity: Vec<i64> = self.kept.iter().map(|at| limits[*at]).collect();
        let comfortable = |at: &usize| limits[*at].min((whole[*at] - reserve[*at]).max(0));
        let mut comfort: Vec<i64> = self.kept.iter().map(comfortable).collect();
        if self.ports {
            capacity.push(range.into());
            comfort.push(range.into());
        }
        for scaled in &self.scaled {
            capacity.push(scaled.have(whole[scaled.of]));
            comfort.push(scaled.have((whole[scaled.of] - reserve[scaled.of]).max(0)));
        }
        search::Node { capacity: capacity.into(), comfort: comfort.into(), size: world.size(node) }
    }

    fn label(&mut self, label: LabelId) -> u32 {
        if let Some(known) = self.labels.get(&label) {
            return *known;
        }
        let column = self.state.world.column(label);
        let order = self.state.world.order();
        let values: BTreeSet<&str> = order.iter().filter_map(|node| column.value(*node)).collect();
        let domains: BTreeMap<&str, u32> = values.into_iter().zip(0..).collect();
        let domain_of =
            order.iter().map(|node| column.value(*node).map_or(NO_DOMAIN, |value| domains[value])).collect();
        let id = self.problem.labels.len() as u32;
        self.problem.labels.push(search::Label { domain_of, domains: domains.len() as u32 });
        self.labels.insert(label, id);
        id
    }

    /// What a domain is called in the problem, by its value.
    fn domain(&self, label: LabelId, value: &str) -> Option<u32> {
        let column = self.state.world.column(label);
        let at = self.state.world.order().iter().position(|node| column.value(*node) == Some(value))?;
        Some(self.problem.labels[*self.labels.get(&label)? as usize].domain_of[at])
    }

    fn column(&self, label: &str) -> Option<LabelId> {
        self.state.world.columns.find(label)
    }

    fn service(&mut self, service: ServiceId) -> search::Service {
        let mut made = search::Service::default();
        let groups = self.state.world.service(service).groups.clone();
        for (at, group) in groups.iter().enumerate() {
            if group.demand.indexes.is_empty() {
                continue;
            }
            if group.demand.one_per_node
                && let Some(node) = self.column("node")
            {
                let label = self.label(node);
                made.limits.push(search::Limit { label, max: 1 });
            }
            let rules = &group.demand.rules;
            for (position, spread) in rules.spread.iter().enumerate() {
                let Some(column) = self.column(&spread.label) else { continue };
                let label = self.label(column);
                made.limits.extend(spread.max.map(|max| search::Limit { label, max }));
                made.min_domains.extend(spread.min_domains.map(|count| search::MinDomains { label, count }));
                if let Some(skew) = spread.max_skew {
                    let eligible = self.state.eligible(column, rules).into_iter().enumerate();
                    let texts = eligible.filter(|(_, eligible)| *eligible);
                    let texts: Vec<String> = texts
                        .map(|(at, _)| self.state.world.column(column).values().nth(at).unwrap_or_default().to_owned())
                        .collect();
                    let mut domains: Vec<u32> = texts.iter().filter_map(|text| self.domain(column, text)).collect();
                    domains.sort_unstable();
                    made.max_skew.push(search::Skew { label, skew, domains: domains.into() });
                }
                let step = self.cost(step_of(spread, position));
                if at == 0 && step > 0 {
                    made.even.push(search::Even { label, step });
                }
            }
            for (company, links) in [(&rules.keep_with, &mut made.near), (&rules.keep_from, &mut made.apart)] {
                for other in company {
                    let (Some(id), Some(column)) =
                        (self.state.world.service_called(&other.service), self.column(&other.label))
                    else {
                        continue;
                    };
                    let label = self.label(column);
                    links.push(search::Link { service: self.services[&id], label });
                }
            }
        }
        made
    }

    fn replicas(&mut self, service: ServiceId, layout: &mut Vec<Option<u32>>, keys: &mut Vec<ReplicaKey>) {
        let own = self.state.world.service(service);
        let mut kinds: BTreeMap<(u32, bool, bool, Option<NodeId>), u32> = BTreeMap::new();
        let world = &self.state.world;
        for replica in &own.replicas {
            let group = Arc::clone(&own.groups[replica.group as usize]);
            let on = replica.spot.as_ref().map(|spot| spot.node);
            if on.is_none() && (self.purpose == Purpose::Improve || !group.is_to_be_fitted(self.state, replica.index)) {
                continue;
            }
            let tie = group.tied_to(self.state, replica.index);
            let movable = on.is_none_or(|node| tie.is_none() && group.is_static(self.state, node));
            let tie = tie.filter(|_| movable);
            let runs = replica.home.is_some() && on.is_some();
            let kind = *kinds.entry((replica.group, movable, runs, tie)).or_insert_with(|| {
                let kind = self.kind(service, &group, movable, runs, tie);
                self.problem.kinds.push(kind);
                self.problem.kinds.len() as u32 - 1
            });
            let rank = |node: NodeId| Some(world.rank(node)).filter(|rank| *rank != u32::MAX);
            self.problem.replicas.push(search::Replica { kind, start: replica.home.and_then(rank), movable });
            layout.push(on.and_then(rank));
            keys.push(ReplicaKey { service, index: replica.index });
        }
    }

    fn kind(
        &mut self,
        service: ServiceId,
        group: &Group,
        movable: bool,
        runs: bool,
        tie: Option<NodeId>,
    ) -> search::Kind {
        let world = &self.state.world;
        let mut need: Vec<i64> = self.kept.iter().map(|at| group.need[*at]).collect();
        if self.ports {
            need.push((group.dynamic as usize + group.fixed.len()) as i64);
        }
        need.extend(self.scaled.iter().map(|scaled| scaled.need(group.need[scaled.of])));
        let allowed = movable.then(|| {
            let nodes = world.open().iter().filter(|node| tie.is_none_or(|tie| tie == **node));
            let nodes = nodes.filter(|node| group.is_static(self.state, **node));
            nodes.map(|node| world.rank(*node)).collect::<BitSet>()
        });
        let rules = &group.demand.rules;
        let mut gains = Vec::new();
        for rule in &rules.prefer {
            let Some(column) = self.column(&rule.label) else { continue };
            let label = self.label(column);
            if let Some(domain) = self.domain(column, &rule.value) {
                gains.push(search::Gain { label, domain, points: self.cost(i64::from(rule.weight) * POINT) });
            }
        }
        let moves = narrow(world.objective.moves.replica.into());
        // What says nothing of it moves for a hundredth of a point.
        let own_cost = rules.move_cost.map_or(moves / 100, |cost| moves.saturating_mul(cost.into()));
        let move_cost = self.cost(match self.purpose {
            Purpose::Improve => own_cost,
            Purpose::Fit => own_cost.saturating_add(DISTURBANCE),
        });
        let mut exclusive: Vec<u32> = group.fixed.iter().map(|port| u32::from(*port)).collect();
        exclusive.sort_unstable();
        exclusive.dedup();
        search::Kind {
            service: self.services[&service],
            need: need.into(),
            importance: importance(group.demand.priority, runs),
            allowed,
            gains,
            exclusive: exclusive.into(),
            fill: group.fill_sign(),
            move_cost,
        }
    }

    fn moves(&mut self, nodes: &[NodeId]) {
        let world = &self.state.world;
        let moves = &world.objective.moves;
        let distance = moves.distance.as_ref().map(|distances| {
            let names: Vec<_> = nodes.iter().map(|node| world.name(*node)).collect();
            distances.between(&names)
        });
        self.problem.moves = search::Moves {
            replica: 1,
            service: self.cost(narrow(moves.service.into())),
            node: self.cost(narrow(moves.node.into())),
            distance,
        };
    }
}

/// What runs is never given up for what does not, nor what has a higher priority for the sake of numbers.
fn importance(priority: i32, runs: bool) -> i64 {
    let rank = i64::from(priority.clamp(-1_000, 1_000)) + 1_001;
    if runs { 1_000_000_000 } else { rank * rank }
}
