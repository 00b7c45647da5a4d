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

#[cfg(test)]
mod tests {
    use crate::examples::{counts, prefer, spread, three};
    use crate::fleet::demand;

    #[test]
    fn preferences_decide_within_an_even_spread() {
        let mut fleet = three();
        let mut web = demand(5);
        web.rules.spread = vec![spread("zone", None)];
        web.rules.prefer = vec![prefer("node", "n2", 100)];
        fleet.add_service("web", [web]);
        assert_eq!(counts(&fleet), [0, 3, 2]);
    }

    #[test]
    fn a_negative_weight_avoids() {
        let mut fleet = three();
        let mut web = demand(2);
        web.rules.prefer = vec![prefer("zone", "a", -1), prefer("zone", "nowhere", 100)];
        fleet.add_service("web", [web]);
        assert_eq!(counts(&fleet), [0, 0, 2]);
    }
}
