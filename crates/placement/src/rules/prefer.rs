use super::{POINT, Soft};
use crate::engine::{Column, DomainId, LabelId, NodeId, State, World};

/// Soft: a node whose label has a value gains a weight, or loses it if that is negative.
pub(super) struct Prefer<'a> {
    rule: &'a icefield_spec::Prefer,
    label: LabelId,
    /// `None` if no node has the value.
    domain: Option<DomainId>,
}

impl<'a> Prefer<'a> {
    pub(super) fn new(rule: &'a icefield_spec::Prefer, label: LabelId, column: &Column<'_>) -> Self {
        Self { rule, label, domain: column.find(&rule.value) }
    }
}

impl Soft for Prefer<'_> {
    fn name(&self, _world: &World<'_>) -> String {
        format!("prefer {}={}", self.rule.label, self.rule.value)
    }

    fn points(&self, state: &State<'_>, node: NodeId) -> i64 {
        let matches = self.domain.is_some() && state.world.column(self.label).domain(node) == self.domain;
        if matches { i64::from(self.rule.weight) * POINT } else { 0 }
    }

    fn fact(&self, state: &State<'_>, node: NodeId) -> String {
        let (name, label) = (state.world.name(node), &self.rule.label);
        match state.world.column(self.label).value(node) {
            Some(value) => format!("{name} has {label}={value}"),
            None => format!("{name} has no {label}"),
        }
    }
}
