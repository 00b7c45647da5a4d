use icefield_spec::IMPLIED_LABELS;

use super::{Case, Hard};
use crate::engine::{DomainId, LabelId, NodeId, ServiceId, State, World};

/// Hard: at most so many replicas of the service, of whatever revision, are in one domain; none on a node that is in no
/// domain.
#[derive(Clone)]
pub(super) struct SpreadMax {
    service: ServiceId,
    label: LabelId,
    slot: usize,
    max: u32,
}

impl SpreadMax {
    pub(super) fn new(service: ServiceId, label: LabelId, slot: usize, max: u32) -> Self {
        Self { service, label, slot, max }
    }

    /// Of two limits for the same label, the lower one implies the other.
    pub(super) fn lower(&mut self, max: u32) {
        self.max = self.max.min(max);
    }

    pub(super) fn is_about(&self, label: LabelId) -> bool {
        self.label == label
    }

    /// What the limit must be for one more replica in `domain`, if it is less; `None` stands for an empty domain.
    pub(super) fn needed(&self, state: &State<'_>, domain: Option<DomainId>) -> Option<u32> {
        let count = domain.map_or(0, |domain| state.tally(self.service).within(self.slot, domain));
        (count >= self.max).then(|| count.saturating_add(1))
    }

    fn domain(&self, state: &State<'_>, node: NodeId) -> Option<DomainId> {
        state.world.column(self.label).domain(node)
    }
}

impl Hard for SpreadMax {
    fn name(&self, world: &World<'_>) -> String {
        format!("spread {} max {}", world.column(self.label).label, self.max)
    }

    fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        let domain = self.domain(state, node);
        domain.is_some_and(|domain| state.tally(self.service).within(self.slot, domain) < self.max)
    }

    fn label(&self) -> Option<LabelId> {
        Some(self.label)
    }

    fn departure(&self, state: &State<'_>, node: NodeId) -> String {
        let column = state.world.column(self.label);
        match column.value(node) {
            Some(_) => format!("at most {} may be in {}", self.max, column.describe(node)),
            None => format!("{} no longer has a {}", state.world.name(node), column.label),
        }
    }

    fn distance(&self, state: &State<'_>, node: NodeId) -> u64 {
        match self.domain(state, node) {
            Some(domain) => state.tally(self.service).within(self.slot, domain).into(),
            None => u64::MAX,
        }
    }

    fn remedy(&self, case: &Case<'_, '_>) -> String {
        let column = case.state.world.column(self.label);
        let (label, node) = (column.label, case.node_name());
        let needed = self.needed(case.state, self.domain(case.state, case.node));
        let raise = needed.map(|max| format!("raise max of spread {label} to {max}"));
        match raise {
            _ if column.value(case.node).is_none() => match raise {
                _ if IMPLIED_LABELS.contains(&label) => format!("drop the max of spread {label}"),
                Some(raise) => format!("give {node} a {label} of its own and {raise}"),
                None => format!("give {node} a {label} of its own"),
            },
            Some(raise) => {
                let free_to_differ = !case.group.demand.rules.require.contains_key(label) && self.max > 0;
                match label {
                    _ if !free_to_differ || !case.twin_helps() => raise,
                    "node" => format!("{raise}, or add a node like {node}"),
                    _ => format!("{raise}, or add a node like {node} in another {label}"),
                }
            }
            None => format!("raise max of spread {label}"),
        }
    }
}
