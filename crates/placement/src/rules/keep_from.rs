use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{LabelId, NodeId, ServiceId, State, World};

/// Hard: no replica of another service is near: on a node with the same value of a label. It holds for both services,
/// whichever of them says so.
#[derive(Debug, Clone)]
pub(super) struct KeepFrom {
    service: ServiceId,
    other: ServiceId,
    label: LabelId,
    slot: usize,
    /// Whether it is the other one that says so.
    reversed: bool,
}

impl KeepFrom {
    pub(super) fn new(service: ServiceId, other: ServiceId, label: LabelId, slot: usize, reversed: bool) -> Self {
        Self { service, other, label, slot, reversed }
    }

    pub(super) fn other(&self) -> ServiceId {
        self.other
    }

    /// Whether the other one says so too.
    fn is_mutual(&self, state: &State) -> bool {
        let (own, label) = (&state.world.service(self.service).name, &state.world.column(self.label).label);
        let demands = state.world.service(self.other).demands.iter().filter(|demand| !demand.indexes.is_empty());
        let mut companies = demands.flat_map(|demand| &demand.rules.keep_from);
        self.other != self.service && companies.any(|company| company.service == *own && company.label == *label)
    }

    /// Whether the two admit the same nodes.
    pub(super) fn is_like(&self, rule: &Self) -> bool {
        (self.other, self.label) == (rule.other, rule.label)
    }
}

impl Hard for KeepFrom {
    fn name(&self, world: &World) -> String {
        let (other, label) = (&world.service(self.other).name, &world.column(self.label).label);
        match self.reversed {
            true => format!("{other} keeps from it by {label}"),
            false => format!("keep from {other} by {label}"),
        }
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        let near = state.world.column(self.label).domain(node);
        near.is_none_or(|domain| state.tally(self.other).within(self.slot, domain) == 0)
    }

    fn label(&self) -> Option<LabelId> {
        None
    }

    fn yields(&self) -> bool {
        true
    }

    fn spans_nodes(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        let column = state.world.column(self.label);
        let preposition = if column.label == "node" { "on" } else { "in" };
        format!("{} is {preposition} {} too", state.world.service(self.other).name, column.describe(node))
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let world = &case.state.world;
        let (own, other) = (&world.service(self.service).name, &world.service(self.other).name);
        let text = match self.reversed {
            true => format!("drop keep_from {own} of {other}"),
            false if self.is_mutual(case.state) => format!("drop keep_from {other} and keep_from {own} of {other}"),
            false => format!("drop keep_from {other}"),
        };
        Remedy::new(text, Further::Equal)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        let own_domain = state.world.column(self.label).label == "node";
        if own_domain || self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Company;
    use insta::assert_snapshot;

    use crate::examples::{solved, three, with};
    use crate::fleet::{demand, name};

    #[test]
    fn two_services_stay_apart() {
        let mut fleet = three();
        let from = |service: &str, label: &str| vec![Company { service: name(service), label: label.into() }];
        fleet.add_service("batch", [demand(1)]).put("batch/0", "n1", "one", &[]);
        fleet.add_service(
            "db",
            [with(|db| {
                db.indexes = vec![0, 1, 2];
                db.rules.keep_from = from("batch", "zone");
                db.rules.keep_from.extend(from("db", "node"));
            })],
        );
        assert_snapshot!(solved(&fleet), @"
        db/0 → n3: new replica
        db/1 nowhere:
          keep from batch by zone excludes 2 (n1 n2): drop keep_from batch
          keep from db by node excludes 1 (n3): drop keep_from db, or add a node like n3
        db/2 nowhere:
          keep from batch by zone excludes 2 (n1 n2): drop keep_from batch
          keep from db by node excludes 1 (n3): drop keep_from db, or add a node like n3
        ");
        fleet.add_service("batch", [demand(3)]);
        assert_snapshot!(solved(&fleet), @"
        batch/1 → n2: new replica
        batch/2 → n1: new replica
        db/0 → n3: new replica
        db/1 nowhere:
          keep from batch by zone excludes 2 (n1 n2): drop keep_from batch
          keep from db by node excludes 1 (n3): drop keep_from db, or add a node like n3
        db/2 nowhere:
          keep from batch by zone excludes 2 (n1 n2): drop keep_from batch
          keep from db by node excludes 1 (n3): drop keep_from db, or add a node like n3
        ");
    }
}
