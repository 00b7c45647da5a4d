use std::cmp::Reverse;
use std::sync::Arc;

use super::branch::Branch;
use super::group::Group;
use super::id::{LabelId, NodeId};
use super::state::State;
use crate::rules::{ByDomain, Fill, Soft};

/// How many labels may have a level of their own. Where a service is spread over more, the nodes' own heaps do the rest.
const LEVELS: usize = 4;

/// A node by its points: more is better, then the lower rank.
pub(super) type Ranked = (i64, Reverse<u32>);

/// The nodes that could take a replica of one group, best first.
///
/// Placing a replica changes the points of the node that it goes to and, with a spread over zones, those of all nodes of
/// a zone. So the nodes are the leaves of a tree with a level for each such label, where every branch keeps its parts in
/// a heap. A change of a zone then concerns one entry, whatever the zone's size.
pub(super) struct Queue {
    scale: Scale,
    root: Branch,
    phase: u64,
}

impl Queue {
    /// All nodes that could take one more replica of `group`.
    pub(super) fn new(state: &State, group: &Arc<Group>) -> Self {
        let scale = Scale::new(state, group);
        let nodes = group.candidates(state, false);
        let mut points = vec![0; nodes.len()];
        for rule in scale.own.iter().map(|at| &group.soft[*at]) {
            rule.add(state, &nodes, &mut points);
        }
        let ranked = points.into_iter().zip(&nodes).map(|(points, node)| (points, Reverse(state.world.rank(*node))));
        Self { root: Branch::new(state, &scale, 0, ranked.collect()), phase: scale.phase(state), scale }
    }

    /// The best node, if any is left.
    pub(super) fn best(&mut self, state: &State) -> Option<NodeId> {
        let phase = self.scale.phase(state);
        if phase != self.phase {
            self.phase = phase;
            self.root.call_back(state, &self.scale, 0);
        }
        self.root.best(state, &self.scale, 0).map(|(_, Reverse(rank))| state.world.order()[rank as usize])
    }

    /// Takes note that the best node was just given a replica.
    pub(super) fn used_best(&mut self, state: &State) {
        self.root.used_best(state, &self.scale, 0);
    }
}

/// The best node for one more replica of `group`.
pub(super) fn best_of(state: &mut State, group: &Group) -> Option<NodeId> {
    let (Some(size), Some(others)) = (Fill::new(group), Others::new(state, group)) else {
        return best_of_all(state, group);
    };
    state.with_ladder(&size, |state, ladder| {
        let mut best: Option<(i64, Reverse<u32>)> = None;
        for (cost, rank) in ladder.iter() {
            let could_be = (others.most.saturating_sub(cost), Reverse(rank));
            if best.is_some_and(|best| could_be <= best) {
                break;
            }
            let node = state.world.order()[rank as usize];
            let points = others.points(state, node).saturating_sub(cost);
            if best.is_none_or(|best| (points, Reverse(rank)) > best) && group.admitted(state, node) {
                best = Some((points, Reverse(rank)));
            }
        }
        best.map(|(_, rank)| node_at(state, rank))
    })
}

/// What a group's rules give besides that for a replica's size.
struct Others<'a> {
    /// The sums of what they give to the domains of a label.
    by_domain: Vec<ByDomain>,
    rest: Vec<&'a dyn Soft>,
    /// No node is given more.
    most: i64,
}

impl<'a> Others<'a> {
    /// `None` if there is no telling what is the most.
    fn new(state: &State, group: &'a Group) -> Option<Self> {
        let mut others = Self { by_domain: Vec::new(), rest: Vec::new(), most: 0 };
        for rule in group.soft.iter().filter(|rule| !rule.is_by_size()) {
            match rule.by_domain(state) {
                Some(given) => others.add(given),
                None => {
                    others.most = others.most.saturating_add(rule.most(state)?);
                    others.rest.push(&**rule);
                }
            }
        }
        for given in &others.by_domain {
            let inside = state.world.column(given.label).inhabited().map(|domain| given.inside[domain.at()]).max();
            let most = inside.unwrap_or(given.outside).max(given.outside);
            others.most = others.most.saturating_add(most);
        }
        Some(others)
    }

    fn add(&mut self, given: ByDomain) {
        match self.by_domain.iter_mut().find(|known| known.label == given.label) {
            None => self.by_domain.push(given),
            Some(known) => {
                for (sum, points) in known.inside.iter_mut().zip(given.inside) {
                    *sum = sum.saturating_add(points);
                }
                known.outside = known.outside.saturating_add(given.outside);
            }
        }
    }

    fn points(&self, state: &State, node: NodeId) -> i64 {
        let given = self.by_domain.iter().map(|given| {
            let domain = state.world.column(given.label).domain(node);
            domain.map_or(given.outside, |domain| given.inside[domain.at()])
        });
        let rest = self.rest.iter().map(|rule| rule.points(state, node));
        given.chain(rest).fold(0, i64::saturating_add)
    }
}

/// [`best_of`], found by looking at each node.
fn best_of_all(state: &State, group: &Group) -> Option<NodeId> {
    let nodes = group.candidates(state, true);
    let mut points = vec![0; nodes.len()];
    for rule in &group.soft {
        rule.add(state, &nodes, &mut points);
    }
    // The nodes are in the order of names: of equals, the first is wanted.
    let best = points.iter().enumerate().max_by_key(|(at, points)| (**points, Reverse(*at)))?;
    Some(nodes[best.0])
}

/// How the points of a group's nodes come together.
pub(super) struct Scale {
    group: Arc<Group>,
    levels: Vec<Level>,
    /// The soft rules that no level has.
    own: Vec<usize>,
    /// The hard rules that have the last word on a node.
    last: Vec<usize>,
    /// The hard rules that may change their mind, and that no level has.
    doubtful: Vec<usize>,
}

/// A label whose domains change as a whole, with the rules that see to it.
struct Level {
    label: LabelId,
    soft: Vec<usize>,
    /// Hard rules that may change their mind.
    gates: Vec<usize>,
}

/// What becomes of a node.
pub(super) enum Verdict {
    Admitted,
    /// It may be admitted later.
    Parked,
    Refused,
}

impl Scale {
    fn new(state: &State, group: &Arc<Group>) -> Self {
        let world = &state.world;
        let shared = group.soft.iter().filter_map(|rule| rule.shared(world));
        let gated = group.hard.iter().filter(|rule| rule.may_return()).filter_map(|rule| rule.label());
        let mut levels: Vec<Level> = Vec::new();
        for label in shared.chain(gated.filter(|label| !world.column(*label).is_unique())) {
            if levels.len() < LEVELS && !levels.iter().any(|level| level.label == label) {
                levels.push(Level { label, soft: Vec::new(), gates: Vec::new() });
            }
        }
        let (mut own, mut last, mut doubtful) = (Vec::new(), Vec::new(), Vec::new());
        for (at, rule) in group.soft.iter().enumerate() {
            match levels.iter_mut().find(|level| rule.shared(world) == Some(level.label)) {
                Some(level) => level.soft.push(at),
                None => own.push(at),
            }
        }
        for (at, rule) in group.hard.iter().enumerate() {
            match levels.iter_mut().find(|level| rule.label() == Some(level.label)) {
                _ if !rule.may_return() => last.push(at),
                Some(level) => level.gates.push(at),
                None => doubtful.push(at),
            }
        }
        Self { group: Arc::clone(group), levels, own, last, doubtful }
    }

    /// A number that changes when what was parked may be admitted.
    fn phase(&self, state: &State) -> u64 {
        let gates = self.levels.iter().flat_map(|level| &level.gates).chain(&self.doubtful);
        gates.fold(0, |phase, at| phase.wrapping_mul(31).wrapping_add(self.group.hard[*at].phase(state)))
    }

    /// The label that branches at `level` part by; `None` if their parts are nodes.
    pub(super) fn label(&self, level: usize) -> Option<LabelId> {
        self.levels.get(level).map(|level| level.label)
    }

    /// What the domain of `node` gives at `level`.
    pub(super) fn points(&self, state: &State, level: usize, node: Reverse<u32>) -> i64 {
        self.sum(&self.levels[level].soft, state, node_at(state, node))
    }

    /// Whether the domain of `node` may take replicas now.
    pub(super) fn is_open(&self, state: &State, level: usize, node: Reverse<u32>) -> bool {
        let gates = &self.levels[level].gates;
        gates.iter().all(|at| self.group.hard[*at].admits(state, node_at(state, node)))
    }

    pub(super) fn judge(&self, state: &State, node: Reverse<u32>) -> Verdict {
        let node = node_at(state, node);
        let admits = |at: &usize| self.group.hard[*at].admits(state, node);
        match () {
            () if !self.last.iter().all(admits) => Verdict::Refused,
            () if !self.doubtful.iter().all(admits) => Verdict::Parked,
            () => Verdict::Admitted,
        }
    }

    /// `node` with what it has apart from the points of its domains.
    pub(super) fn rank(&self, state: &State, node: Reverse<u32>) -> Ranked {
        (self.sum(&self.own, state, node_at(state, node)), node)
    }

    fn sum(&self, rules: &[usize], state: &State, node: NodeId) -> i64 {
        rules.iter().fold(0, |sum: i64, at| sum.saturating_add(self.group.soft[*at].points(state, node)))
    }
}

pub(super) fn node_at(state: &State, rank: Reverse<u32>) -> NodeId {
    state.world.order()[rank.0 as usize]
}
