use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::id::NodeId;
use super::id_map::IdMap;
use super::queue::Scale;
use super::state::State;

/// A node by its points: more is better, then the lower name.
pub(super) type Ranked = (i64, Reverse<NodeId>);

/// Some candidates: those that have all labels of the levels above in common.
///
/// The keys of the heaps may be outdated, but only upwards, since no rule gives a node more because another one got a
/// replica. So a key is made true when it comes to the top, and the top is the best as soon as its key is true.
pub(super) enum Branch {
    /// By domains of the next label.
    Domains {
        /// Each domain's best node, with its points from here down.
        heads: BinaryHeap<(i64, Reverse<NodeId>, usize)>,
        parts: Vec<Branch>,
    },
    Nodes(BinaryHeap<Ranked>),
}

impl Branch {
    pub(super) fn new(state: &State<'_>, scale: &Scale<'_, '_>, level: usize, nodes: Vec<Ranked>) -> Self {
        let Some(label) = scale.label(level) else { return Self::Nodes(nodes.into()) };
        let column = state.world.column(label);
        let mut by_domain = IdMap::default();
        let mut parts: Vec<Vec<Ranked>> = Vec::new();
        for ranked in nodes {
            let domain = column.domain(ranked.1.0).map_or(u32::MAX, |domain| domain.0);
            let part = *by_domain.entry(domain).or_insert(parts.len());
            if part == parts.len() {
                parts.push(Vec::new());
            }
            parts[part].push(ranked);
        }
        let parts: Vec<Self> = parts.into_iter().map(|nodes| Self::new(state, scale, level + 1, nodes)).collect();
        let heads = parts.iter().enumerate().filter_map(|(part, branch)| branch.head(state, scale, level, part));
        Self::Domains { heads: heads.collect(), parts }
    }

    /// The best node and its points from here down; what no longer admits a replica is dropped on the way.
    pub(super) fn best(&mut self, state: &State<'_>, scale: &Scale<'_, '_>, level: usize) -> Option<Ranked> {
        match self {
            Self::Domains { heads, parts } => loop {
                let mut head = heads.peek_mut()?;
                let (stored, node, part) = *head;
                match parts[part].best(state, scale, level + 1) {
                    None => {
                        PeekMut::pop(head);
                    }
                    Some((below, best)) => {
                        let points = below.saturating_add(scale.points(state, level, best.0));
                        if (points, best) >= (stored, node) {
                            return Some((points, best));
                        }
                        *head = (points, best, part);
                    }
                }
            },
            Self::Nodes(nodes) => loop {
                let mut top = nodes.peek_mut()?;
                let ranked = scale.rank(state, top.1.0);
                if ranked < *top {
                    *top = ranked;
                } else if scale.admits(state, ranked.1.0) {
                    return Some(ranked);
                } else {
                    PeekMut::pop(top);
                }
            },
        }
    }

    /// Makes the keys true on the way to the best node, which was just given a replica.
    pub(super) fn used_best(&mut self, state: &State<'_>, scale: &Scale<'_, '_>, level: usize) {
        match self {
            Self::Domains { heads, parts } => {
                if let Some((_, _, part)) = heads.pop() {
                    parts[part].used_best(state, scale, level + 1);
                    heads.extend(parts[part].head(state, scale, level, part));
                }
            }
            Self::Nodes(nodes) => {
                if let Some((_, node)) = nodes.pop()
                    && scale.admits(state, node.0)
                {
                    nodes.push(scale.rank(state, node.0));
                }
            }
        }
    }

    /// The entry of this branch in the heap above it, which is at `level`.
    fn head(
        &self,
        state: &State<'_>,
        scale: &Scale<'_, '_>,
        level: usize,
        part: usize,
    ) -> Option<(i64, Reverse<NodeId>, usize)> {
        let (below, best) = match self {
            Self::Domains { heads, .. } => heads.peek().map(|(points, node, _)| (*points, *node))?,
            Self::Nodes(nodes) => *nodes.peek()?,
        };
        Some((below.saturating_add(scale.points(state, level, best.0)), best, part))
    }
}
