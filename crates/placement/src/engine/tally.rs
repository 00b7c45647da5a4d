use std::collections::BTreeMap;

use super::column::Columns;
use super::id::{DomainId, LabelId, NodeId};
use super::id_map::CountMap;
use super::side::Side;

/// How many replicas of one service, of whatever revision, are where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// All that are placed.
    pub(crate) total: u32,
    /// How many of them are beside the service's own.
    beside: u32,
    by_node: CountMap,
    /// The same of those that are beside the service's own.
    beside_by_node: CountMap,
    /// For each label that some rule counts the service by: by value.
    by_label: Vec<Slot>,
}

/// The counts of one label's domains.
#[derive(Debug, Clone)]
struct Slot {
    label: LabelId,
    side: Side,
    counts: CountMap,
    floor: Option<Floor>,
}

/// Which domains a service may be in, and how many of them have how many replicas.
#[derive(Debug, Clone)]
pub(crate) struct Floor {
    eligible: Vec<bool>,
    /// By count.
    domains: BTreeMap<u32, u32>,
}

impl Floor {
    fn new(eligible: Vec<bool>, counts: &CountMap) -> Self {
        let mut floor = Self { eligible, domains: BTreeMap::new() };
        for (domain, _) in floor.eligible.clone().into_iter().enumerate().filter(|(_, eligible)| *eligible) {
            *floor.domains.entry(counts.get(domain as u32)).or_default() += 1;
        }
        floor
    }

    fn fewest(&self) -> u32 {
        self.domains.first_key_value().map_or(0, |(count, _)| *count)
    }

    fn changed(&mut self, domain: DomainId, before: u32, after: u32) {
        if !self.eligible.get(domain.at()).copied().unwrap_or(false) {
            return;
        }
        if let Some(domains) = self.domains.get_mut(&before) {
            *domains -= 1;
            if *domains == 0 {
                self.domains.remove(&before);
            }
        }
        *self.domains.entry(after).or_default() += 1;
    }
}

impl Tally {
    /// How many are on `node`.
    pub(crate) fn on(&self, node: NodeId) -> u32 {
        self.by_node.get(node.0)
    }

    /// All nodes that have some, in no order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, u32)> {
        self.by_node.iter().map(|(node, count)| (NodeId(node), count))
    }

    /// How many are in a domain of label number `slot`.
    pub(crate) fn within(&self, slot: usize, domain: DomainId) -> u32 {
        self.by_label[slot].counts.get(domain.0)
    }

    /// How many domains of label number `slot` have any.
    pub(crate) fn domains(&self, slot: usize) -> usize {
        self.by_label[slot].counts.len()
    }

    /// The counts of the domains of label number `slot` that have any, in no order.
    pub(crate) fn counts(&self, slot: usize) -> impl Iterator<Item = (DomainId, u32)> {
        self.by_label[slot].counts.iter().map(|(domain, count)| (DomainId(domain), count))
    }

    /// The smallest count of a domain that is `eligible`; kept at hand if [`Self::lay_floor`] was called.
    pub(crate) fn fewest(&self, slot: usize, eligible: impl FnOnce() -> Vec<bool>) -> u32 {
        let slot = &self.by_label[slot];
        match &slot.floor {
            Some(floor) => floor.fewest(),
            None => Floor::new(eligible(), &slot.counts).fewest(),
        }
    }

    /// Keeps at hand what the smallest count of a domain is that is `eligible`.
    pub(crate) fn lay_floor(&mut self, slot: usize, eligible: Vec<bool>) {
        let slot = &mut self.by_label[slot];
        slot.floor = Some(Floor::new(eligible, &slot.counts));
    }

    /// Forgets what was kept at hand.
    pub(crate) fn lift_floors(&mut self) {
        self.by_label.iter_mut().for_each(|slot| slot.floor = None);
    }

    /// How many of a side are placed.
    pub(crate) fn total_of(&self, side: Side) -> u32 {
        match side {
            Side::All => self.total,
            Side::Own => self.total - self.beside,
            Side::Beside => self.beside,
        }
    }

    /// How many of a side are on `node`.
    fn on_of(&self, node: NodeId, side: Side) -> u32 {
        let (all, beside) = (self.by_node.get(node.0), self.beside_by_node.get(node.0));
        match side {
            Side::All => all,
            Side::Own => all - beside,
            Side::Beside => beside,
        }
    }

    /// The number of `label` among those that a side is counted by.
    pub(crate) fn slot(&self, label: LabelId, side: Side) -> Option<usize> {
        self.by_label.iter().position(|slot| slot.label == label && slot.side == side)
    }

    /// [`Self::slot`]; from now on replicas of that side are counted by `label` too.
    pub(crate) fn count_by(&mut self, label: LabelId, side: Side, columns: &Columns) -> usize {
        if let Some(known) = self.slot(label, side) {
            return known;
        }
        let mut counts = CountMap::default();
        for (node, _) in self.nodes() {
            if let Some(domain) = columns.get(label).domain(node) {
                for _ in 0..self.on_of(node, side) {
                    counts.add(domain.0);
                }
            }
        }
        self.by_label.push(Slot { label, side, counts, floor: None });
        self.by_label.len() - 1
    }

    pub(crate) fn add(&mut self, node: NodeId, beside: bool, columns: &Columns) {
        self.total += 1;
        self.by_node.add(node.0);
        if beside {
            self.beside += 1;
            self.beside_by_node.add(node.0);
        }
        for slot in self.by_label.iter_mut().filter(|slot| slot.side.counts(beside)) {
            if let Some(domain) = columns.get(slot.label).domain(node) {
                let after = slot.counts.add(domain.0);
                slot.floor.iter_mut().for_each(|floor| floor.changed(domain, after - 1, after));
            }
        }
    }

    pub(crate) fn subtract(&mut self, node: NodeId, beside: bool, columns: &Columns) {
        self.total -= 1;
        self.by_node.subtract(node.0);
        if beside {
            self.beside -= 1;
            self.beside_by_node.subtract(node.0);
        }
        for slot in self.by_label.iter_mut().filter(|slot| slot.side.counts(beside)) {
            if let Some(domain) = columns.get(slot.label).domain(node) {
                let after = slot.counts.subtract(domain.0);
                slot.floor.iter_mut().for_each(|floor| floor.changed(domain, after + 1, after));
            }
        }
    }
}
