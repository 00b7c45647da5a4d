use std::collections::{BTreeSet, HashMap};

use super::id::NodeId;
use super::state::State;
use crate::rules::{Fill, Soft};

/// So many orders are kept; beyond them, those are forgotten that were longest of no use.
const ORDERS: usize = 64;

/// The nodes that take replicas in the order of what their fullness makes them worth, for each size of replica that was
/// asked for: so that the best for one more need not be searched among all.
///
/// An order is brought up to date when it is asked for, by the nodes that have changed since.
#[derive(Debug, Default)]
pub(crate) struct Ladders {
    orders: HashMap<Fill, Ladder>,
    /// Nodes that have changed, one after the other.
    changes: Vec<NodeId>,
    /// How many changes have been forgotten.
    forgotten: usize,
    /// The order of names that ranks are of.
    generation: u64,
    asked: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ladder {
    /// What a replica costs on each node, with the node's rank.
    order: BTreeSet<(i64, u32)>,
    /// The entry of each node.
    entries: Vec<Option<(i64, u32)>>,
    /// How many changes it knows of.
    known: usize,
    asked: u64,
}

impl Ladders {
    /// Takes note that `node` is not what it was.
    pub(crate) fn changed(&mut self, node: NodeId, nodes: usize) {
        if self.orders.is_empty() {
            return;
        }
        self.changes.push(node);
        // An order that has missed so many is made anew rather than mended.
        if self.changes.len() > 4 * nodes + 1024 {
            self.forgotten += self.changes.len();
            self.changes.clear();
        }
    }

    /// The order for replicas of this size, up to date.
    pub(crate) fn order(&mut self, state: &State, size: &Fill) -> &Ladder {
        if self.generation != state.world.generation() {
            self.generation = state.world.generation();
            self.orders.clear();
        }
        self.asked += 1;
        if !self.orders.contains_key(size) {
            if self.orders.len() >= ORDERS {
                let oldest = self.orders.iter().min_by_key(|(_, order)| order.asked).map(|(size, _)| size.clone());
                oldest.map(|oldest| self.orders.remove(&oldest));
            }
            self.orders.insert(size.clone(), Ladder::default());
        }
        let now = self.forgotten + self.changes.len();
        let order = self.orders.entry(size.clone()).or_default();
        let missed = now - order.known;
        if order.entries.is_empty() || missed > self.changes.len().min(state.world.order().len() / 2) {
            order.make(state, size);
        } else {
            for node in &self.changes[self.changes.len() - missed..] {
                order.mend(state, size, *node);
            }
        }
        (order.known, order.asked) = (now, self.asked);
        order
    }
}

impl Ladder {
    fn make(&mut self, state: &State, size: &Fill) {
        self.entries = vec![None; state.world.nodes.len()];
        let entries: Vec<_> = state.world.open().iter().map(|node| (*node, entry(state, size, *node))).collect();
        for (node, entry) in &entries {
            self.entries[node.at()] = Some(*entry);
        }
        let mut order: Vec<(i64, u32)> = entries.into_iter().map(|(_, entry)| entry).collect();
        order.sort_unstable();
        self.order = order.into_iter().collect();
    }

    fn mend(&mut self, state: &State, size: &Fill, node: NodeId) {
        let after = state.world.is_open(node).then(|| entry(state, size, node));
        let before = std::mem::replace(&mut self.entries[node.at()], after);
        if before != after {
            before.map(|before| self.order.remove(&before));
            self.order.extend(after);
        }
    }

    /// The nodes by rank, each with what a replica costs there: the cheapest first, then by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, u32)> {
        self.order.iter().copied()
    }
}

fn entry(state: &State, size: &Fill, node: NodeId) -> (i64, u32) {
    (-size.points(state, node), state.world.rank(node))
}
