use super::{ByDomain, POINT, Soft};
use crate::engine::{LabelId, NodeId, State, World};

/// Soft: a node whose label has a value gains a weight, or loses it if that is negative.
pub(super) struct Prefer {
    rule: icefield_spec::Prefer,
    label: LabelId,
}

impl Prefer {
    pub(super) fn new(rule: &icefield_spec::Prefer, label: LabelId) -> Self {
        Self { rule: rule.clone(), label }
    }
}

impl Soft for Prefer {
    fn name(&self, _world: &World) -> String {
        format!("prefer {}={}", self.rule.label, self.rule.value)
    }

    fn points(&self, state: &State, node: NodeId) -> i64 {
        let column = state.world.column(self.label);
        let wanted = column.find(&self.rule.value);
        let matches = wanted.is_some() && column.domain(node) == wanted;
        if matches { i64::from(self.rule.weight) * POINT } else { 0 }
    }

    fn add(&self, state: &State, nodes: &[NodeId], points: &mut [i64]) {
        let column = state.world.column(self.label);
        let Some(wanted) = column.find(&self.rule.value) else { return };
        let weight = i64::from(self.rule.weight) * POINT;
        for (node, points) in nodes.iter().zip(points) {
            if column.domain(*node) == Some(wanted) {
                *points = points.saturating_add(weight);
            }
        }
    }

    fn by_domain(&self, state: &State) -> Option<ByDomain> {
        let column = state.world.column(self.label);
        if column.is_unique() {
            return None;
        }
        let mut inside = vec![0; column.len()];
        if let Some(wanted) = column.find(&self.rule.value) {
            inside[wanted.at()] = i64::from(self.rule.weight) * POINT;
        }
        Some(ByDomain { label: self.label, inside, outside: 0 })
    }

    fn most(&self, _state: &State) -> Option<i64> {
        Some(i64::from(self.rule.weight.max(0)) * POINT)
    }

    fn fact(&self, state: &State, node: NodeId) -> String {
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
