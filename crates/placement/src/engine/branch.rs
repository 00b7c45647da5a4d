use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::id_map::IdMap;
use super::queue::{Ranked, Scale, Verdict, node_at};
use super::state::State;

/// Some candidates: those that have all labels of the levels above in common.
///
/// The keys of the heaps may be outdated, but only upwards, since no rule gives a node more because another one got a
/// replica. So a key is made true when it comes to the top, and the top is the best as soon as its key is true.
///
/// What is refused for now is parked, and called back when a rule may have changed its mind.
pub(super) enum Branch {
    /// By domains of the next label.
    Domains {
        /// Each domain's best node, with its points from here down.
        heads: BinaryHeap<Head>,
        /// Whether a part is not among them that may take replicas later.
        waiting: bool,
        parts: Vec<Branch>,
    },
    Nodes {
        heap: BinaryHeap<Ranked>,
        parked: Vec<Reverse<u32>>,
    },
}

/// The best node of a part.
type Head = (i64, Reverse<u32>, usize);

impl Branch {
    pub(super) fn new(state: &State, scale: &Scale, level: usize, nodes: Vec<Ranked>) -> Self {
        let Some(label) = scale.label(level) else { return Self::Nodes { heap: nodes.into(), parked: Vec::new() } };
        let column = state.world.column(label);
        let mut by_domain = IdMap::default();
        let mut parts: Vec<Vec<Ranked>> = Vec::new();
        for ranked in nodes {
            let domain = column.domain(node_at(state, ranked.1)).map_or(u32::MAX, |domain| domain.0);
            let part = *by_domain.entry(domain).or_insert(parts.len());
            if part == parts.len() {
                parts.push(Vec::new());
            }
            parts[part].push(ranked);
        }
        let parts: Vec<Self> = parts.into_iter().map(|nodes| Self::new(state, scale, level + 1, nodes)).collect();
        let heads = parts.iter().enumerate().filter_map(|(part, branch)| branch.head(state, scale, level, part));
        Self::Domains { heads: heads.collect(), waiting: false, parts }
    }

    /// The best node and its points from here down; what no longer admits a replica is dropped or parked on the way.
    pub(super) fn best(&mut self, state: &State, scale: &Scale, level: usize) -> Option<Ranked> {
        match self {
            Self::Domains { heads, waiting, parts } => loop {
                let mut head = heads.peek_mut()?;
                let (stored, node, part) = *head;
                if !scale.is_open(state, level, node) {
                    *waiting = true;
                    PeekMut::pop(head);
                    continue;
                }
                match parts[part].best(state, scale, level + 1) {
                    None => drop(PeekMut::pop(head)),
                    Some((below, best)) => {
                        let points = below.saturating_add(scale.points(state, level, best));
                        if (points, best) >= (stored, node) {
                            return Some((points, best));
                        }
                        *head = (points, best, part);
                    }
                }
            },
            Self::Nodes { heap, parked } => loop {
                let mut top = heap.peek_mut()?;
                let ranked = scale.rank(state, top.1);
                if ranked < *top {
                    *top = ranked;
                    continue;
                }
                match scale.judge(state, ranked.1) {
                    Verdict::Admitted => return Some(ranked),
                    Verdict::Parked => {
                        parked.push(ranked.1);
                        PeekMut::pop(top);
                    }
                    Verdict::Refused => drop(PeekMut::pop(top)),
                }
            },
        }
    }

    /// Makes the keys true on the way to the best node, which was just given a replica.
    pub(super) fn used_best(&mut self, state: &State, scale: &Scale, level: usize) {
        match self {
            Self::Domains { heads, parts, .. } => {
                if let Some((_, _, part)) = heads.pop() {
                    parts[part].used_best(state, scale, level + 1);
                    heads.extend(parts[part].head(state, scale, level, part));
                }
            }
            Self::Nodes { heap, parked } => {
                if let Some((_, node)) = heap.pop() {
                    match scale.judge(state, node) {
                        Verdict::Admitted => heap.push(scale.rank(state, node)),
                        Verdict::Parked => parked.push(node),
                        Verdict::Refused => {}
                    }
                }
            }
        }
    }

    /// Gives what was parked another chance; says whether there was anything.
    pub(super) fn call_back(&mut self, state: &State, scale: &Scale, level: usize) -> bool {
        match self {
            Self::Domains { heads, waiting, parts } => {
                let mut any = std::mem::take(waiting);
                for part in &mut *parts {
                    any |= part.call_back(state, scale, level + 1);
                }
                if any {
                    let fresh = parts.iter().enumerate();
                    *heads = fresh.filter_map(|(part, branch)| branch.head(state, scale, level, part)).collect();
                }
                any
            }
            Self::Nodes { heap, parked } => {
                let any = !parked.is_empty();
                heap.extend(std::mem::take(parked).into_iter().map(|node| scale.rank(state, node)));
                any
            }
        }
    }

    /// The entry of this branch in the heap above it, which is at `level`.
    fn head(&self, state: &State, scale: &Scale, level: usize, part: usize) -> Option<Head> {
        let (below, best) = match self {
            Self::Domains { heads, .. } => heads.peek().map(|(points, node, _)| (*points, *node))?,
            Self::Nodes { heap, .. } => *heap.peek()?,
        };
        Some((below.saturating_add(scale.points(state, level, best)), best, part))
    }
}
