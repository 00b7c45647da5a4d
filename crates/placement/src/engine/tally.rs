use super::column::Columns;
use super::id::{DomainId, LabelId, NodeId};
use super::id_map::CountMap;

/// How many replicas of one service, of whatever revision, are where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// All that are placed.
    pub(crate) total: u32,
    by_node: CountMap,
    /// For each label that a spread of the service speaks of: by value.
    by_label: Vec<CountMap>,
}

impl Tally {
    pub(crate) fn new(labels: usize) -> Self {
        Self { total: 0, by_node: CountMap::default(), by_label: vec![CountMap::default(); labels] }
    }

    /// How many are on `node`.
    pub(crate) fn on(&self, node: NodeId) -> u32 {
        self.by_node.get(node.0)
    }

    /// How many are in a domain of the service's label number `slot`.
    pub(crate) fn within(&self, slot: usize, domain: DomainId) -> u32 {
        self.by_label[slot].get(domain.0)
    }

    pub(crate) fn add(&mut self, node: NodeId, labels: &[LabelId], columns: &Columns<'_>) {
        self.total += 1;
        self.by_node.add(node.0);
        for (counts, label) in self.by_label.iter_mut().zip(labels) {
            if let Some(domain) = columns.get(*label).domain(node) {
                counts.add(domain.0);
            }
        }
    }

    pub(crate) fn subtract(&mut self, node: NodeId, labels: &[LabelId], columns: &Columns<'_>) {
        self.total -= 1;
        self.by_node.subtract(node.0);
        for (counts, label) in self.by_label.iter_mut().zip(labels) {
            if let Some(domain) = columns.get(*label).domain(node) {
                counts.subtract(domain.0);
            }
        }
    }
}
