use std::cmp::Reverse;

use super::branch::{Branch, Ranked};
use super::group::Group;
use super::id::{LabelId, NodeId};
use super::state::State;
use crate::rules::Soft;

/// How many labels may have a level of their own. Where a service is spread over more, the nodes' own heaps do the rest.
const LEVELS: usize = 4;

/// The nodes that could take a replica of one group, best first.
///
/// Placing a replica changes the points of the node that it goes to and, with a spread over zones, those of all nodes of
/// a zone. So the nodes are the leaves of a tree with a level for each such label, where every branch keeps its parts in
/// a heap. A change of a zone then concerns one entry, whatever the zone's size.
pub(super) struct Queue<'a, 'w> {
    scale: Scale<'a, 'w>,
    root: Branch,
}

impl<'a, 'w> Queue<'a, 'w> {
    /// All nodes that could take one more replica of `group`.
    pub(super) fn new(state: &State<'_>, group: &'a Group<'w>) -> Self {
        let scale = Scale::new(state, group);
        let nodes = state.world.node_ids().filter(|node| group.admitted(state, *node));
        let nodes = nodes.map(|node| scale.rank(state, node)).collect();
        Self { root: Branch::new(state, &scale, 0, nodes), scale }
    }

    /// The best node, if any is left.
    pub(super) fn best(&mut self, state: &State<'_>) -> Option<NodeId> {
        self.root.best(state, &self.scale, 0).map(|(_, Reverse(node))| node)
    }

    /// Takes note that the best node was just given a replica.
    pub(super) fn used_best(&mut self, state: &State<'_>) {
        self.root.used_best(state, &self.scale, 0);
    }
}

/// How the points of a group's nodes come together.
pub(super) struct Scale<'a, 'w> {
    group: &'a Group<'w>,
    levels: Vec<Level<'a, 'w>>,
    own: Vec<&'a (dyn Soft + 'w)>,
}

/// A label whose domains change their points as a whole, with the rules that do so.
struct Level<'a, 'w> {
    label: LabelId,
    rules: Vec<&'a (dyn Soft + 'w)>,
}

impl<'a, 'w> Scale<'a, 'w> {
    fn new(state: &State<'_>, group: &'a Group<'w>) -> Self {
        let rules = || group.soft.iter().map(|rule| &**rule as &(dyn Soft + 'w));
        let mut levels: Vec<Level<'_, '_>> = Vec::new();
        let labels = &state.world.service(group.service).labels;
        for label in labels.iter().copied().filter(|label| !state.world.column(*label).is_unique()).take(LEVELS) {
            levels.push(Level { label, rules: rules().filter(|rule| rule.shared() == Some(label)).collect() });
        }
        let has_level = |rule: &&(dyn Soft + 'w)| levels.iter().any(|level| rule.shared() == Some(level.label));
        let own = rules().filter(|rule| !has_level(rule)).collect();
        Self { group, levels, own }
    }

    /// The label that branches at `level` part by; `None` if their parts are nodes.
    pub(super) fn label(&self, level: usize) -> Option<LabelId> {
        self.levels.get(level).map(|level| level.label)
    }

    /// What the domain of `node` gives at `level`.
    pub(super) fn points(&self, state: &State<'_>, level: usize, node: NodeId) -> i64 {
        sum(&self.levels[level].rules, state, node)
    }

    pub(super) fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        self.group.admitted(state, node)
    }

    /// `node` with what it has apart from the points of its domains.
    pub(super) fn rank(&self, state: &State<'_>, node: NodeId) -> Ranked {
        (sum(&self.own, state, node), Reverse(node))
    }
}

fn sum(rules: &[&(dyn Soft + '_)], state: &State<'_>, node: NodeId) -> i64 {
    rules.iter().fold(0, |sum: i64, rule| sum.saturating_add(rule.points(state, node)))
}
