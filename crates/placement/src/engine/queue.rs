use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::group::Group;
use super::id::{DomainId, LabelId, NodeId};
use super::state::State;
use crate::rules::Soft;

/// The nodes that could take a replica of one group, best first.
///
/// Placing a replica changes the points of the node it goes to and, with a spread over zones, those of all nodes of a
/// zone. So nodes are kept in classes, one for each combination of shared domains: within a class their order does not
/// change but for the node just used. Over the classes goes a heap whose keys may be outdated, but only upwards, since
/// what a domain gives never rises while replicas are added: a key is made true when it comes to the top.
pub(crate) struct Queue<'a, 'w> {
    group: &'a Group<'w>,
    shared: Vec<&'a (dyn Soft + 'w)>,
    local: Vec<&'a (dyn Soft + 'w)>,
    /// By class: points that are the node's own.
    classes: Vec<BinaryHeap<(i64, Reverse<NodeId>)>>,
    /// The best node of each class, by all its points.
    heads: BinaryHeap<(i64, Reverse<NodeId>, usize)>,
}

impl<'a, 'w> Queue<'a, 'w> {
    /// All nodes that could take one more replica of `group`.
    pub(crate) fn new(state: &State<'_>, group: &'a Group<'w>) -> Self {
        let rules = group.soft.iter().map(|rule| &**rule as &(dyn Soft + 'w));
        let (shared, local): (Vec<_>, Vec<_>) = rules.partition(|rule| rule.shared().is_some());
        let mut queue = Self { group, shared, local, classes: Vec::new(), heads: BinaryHeap::new() };
        let mut classes = Classes::new(&queue.shared);
        let mut members: Vec<Vec<(i64, Reverse<NodeId>)>> = Vec::new();
        for node in state.world.node_ids().filter(|node| group.admitted(state, *node)) {
            let class = classes.of(state, node);
            if class == members.len() {
                members.push(Vec::new());
            }
            members[class].push((queue.local_points(state, node), Reverse(node)));
        }
        queue.classes = members.into_iter().map(BinaryHeap::from).collect();
        let heads = queue.classes.iter().enumerate().filter_map(|(class, heap)| {
            let (local, node) = *heap.peek()?;
            Some((local.saturating_add(queue.shared_points(state, node.0)), node, class))
        });
        queue.heads = heads.collect();
        queue
    }

    /// The best node, if any is left.
    pub(crate) fn best(&mut self, state: &State<'_>) -> Option<NodeId> {
        loop {
            let (stored, Reverse(node), class) = *self.heads.peek()?;
            let Some((local, _)) = self.classes[class].peek().copied() else {
                self.heads.pop();
                continue;
            };
            // What is the node's own was checked when it was last used; so here a domain is full, for the whole class.
            if !self.group.admitted(state, node) {
                self.heads.pop();
                continue;
            }
            let points = local.saturating_add(self.shared_points(state, node));
            if points >= stored {
                return Some(node);
            }
            if let Some(mut head) = self.heads.peek_mut() {
                *head = (points, Reverse(node), class);
            }
        }
    }

    /// Takes note that the best node was just given a replica.
    pub(crate) fn used_best(&mut self, state: &State<'_>) {
        let Some((_, Reverse(node), class)) = self.heads.pop() else { return };
        let points = self.local_points(state, node);
        let heap = &mut self.classes[class];
        heap.pop();
        if self.group.admitted(state, node) {
            heap.push((points, Reverse(node)));
        }
        if let Some((local, next)) = heap.peek().copied() {
            let points = local.saturating_add(self.shared_points(state, next.0));
            self.heads.push((points, next, class));
        }
    }

    fn local_points(&self, state: &State<'_>, node: NodeId) -> i64 {
        sum(&self.local, state, node)
    }

    fn shared_points(&self, state: &State<'_>, node: NodeId) -> i64 {
        sum(&self.shared, state, node)
    }
}

fn sum(rules: &[&(dyn Soft + '_)], state: &State<'_>, node: NodeId) -> i64 {
    rules.iter().fold(0, |sum: i64, rule| sum.saturating_add(rule.points(state, node)))
}

/// Numbers the combinations of shared domains as they are met.
struct Classes {
    labels: Vec<LabelId>,
    /// From the class by the labels before and the domain of this one, to the class by both.
    steps: Vec<HashMap<(usize, Option<DomainId>), usize>>,
}

impl Classes {
    fn new(shared: &[&(dyn Soft + '_)]) -> Self {
        let labels: Vec<LabelId> = shared.iter().filter_map(|rule| rule.shared()).collect();
        Self { steps: vec![HashMap::new(); labels.len()], labels }
    }

    fn of(&mut self, state: &State<'_>, node: NodeId) -> usize {
        let steps = self.labels.iter().zip(&mut self.steps);
        steps.fold(0, |class, (label, step)| {
            let next = step.len();
            *step.entry((class, state.world.column(*label).domain(node))).or_insert(next)
        })
    }
}
