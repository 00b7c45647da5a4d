use std::collections::{BTreeSet, HashMap};

use super::change_log::ChangeLog;
use super::id::NodeId;
use super::state::State;
use crate::rules::{Fill, Soft};

/// So many orders are kept; beyond them, those are forgotten that were longest of no use.
const ORDERS: usize = 64;

/// The nodes that have room for one more replica in the order of what their fullness makes them worth, for each size of
/// replica that was asked for: so that the best for one more need not be searched among all.
///
/// An order is brought up to date when it is asked for, by the nodes that have changed since.
#[derive(Debug, Default)]
pub(crate) struct Ladders {
    orders: HashMap<Fill, Ladder>,
    log: ChangeLog,
    /// The order of names that ranks are of.
    generation: u64,
    asked: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ladder {
    /// What a replica costs on each node that has room for it, with the node's rank.
    order: BTreeSet<(i64, u32)>,
    /// The entry of each node.
    entries: Vec<Option<(i64, u32)>>,
    /// The last change that it knows of.
    known: u64,
    asked: u64,
}

impl Ladders {
    /// Takes note that `node` is not what it was.
    pub(crate) fn changed(&mut self, node: NodeId) {
        if !self.orders.is_empty() {
            self.log.note(node);
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
        let order = self.orders.entry(size.clone()).or_default();
        // With many entries out of place, sorting all of them takes less than to move each.
        if order.entries.is_empty() || self.log.since(order.known).count() > state.world.order().len() / 4 {
            order.make(state, size);
        } else {
            for node in self.log.since(order.known) {
                order.mend(state, size, node);
            }
        }
        (order.known, order.asked) = (self.log.now(), self.asked);
        order
    }
}

impl Ladder {
    fn make(&mut self, state: &State, size: &Fill) {
        self.entries = vec![None; state.world.nodes.len()];
        let mut order = Vec::new();
        for node in state.world.open() {
            self.entries[node.at()] = entry(state, size, *node);
            order.extend(self.entries[node.at()]);
        }
        order.sort_unstable();
        self.order = order.into_iter().collect();
    }

    fn mend(&mut self, state: &State, size: &Fill, node: NodeId) {
        let after = entry(state, size, node).filter(|_| state.world.is_open(node));
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

fn entry(state: &State, size: &Fill, node: NodeId) -> Option<(i64, u32)> {
    size.fits(state, node).then(|| (-size.points(state, node), state.world.rank(node)))
}
