use super::spread_max::SpreadMax;
use crate::Demand;
use crate::engine::{Columns, LabelId, Node, ServiceId};

/// What all replicas of a service have in common, of whatever revision.
///
/// A limit that one of its demands sets counts the replicas of the others too, so it must hold for them as well: else
/// whether it is kept would depend on who came first.
pub(crate) struct ServiceRules {
    /// The labels that it is spread over.
    pub(crate) labels: Vec<LabelId>,
    pub(super) limits: Vec<SpreadMax>,
    pub(super) one_per_node: bool,
}

impl ServiceRules {
    pub(crate) fn new<'a>(
        service: ServiceId,
        demands: &'a [Demand],
        nodes: &[Node<'a>],
        columns: &mut Columns<'a>,
    ) -> Self {
        let mut rules = Self { labels: Vec::new(), limits: Vec::new(), one_per_node: false };
        for demand in demands.iter().filter(|demand| !demand.indexes.is_empty()) {
            rules.one_per_node |= demand.one_per_node;
            for spread in &demand.rules.spread {
                let label = columns.intern(&spread.label, nodes);
                let slot = rules.labels.iter().position(|known| *known == label).unwrap_or_else(|| {
                    rules.labels.push(label);
                    rules.labels.len() - 1
                });
                let Some(max) = spread.max else { continue };
                match rules.limits.iter_mut().find(|limit| limit.is_about(label)) {
                    Some(limit) => limit.lower(max),
                    None => rules.limits.push(SpreadMax::new(service, label, slot, max)),
                }
            }
        }
        rules
    }
}
