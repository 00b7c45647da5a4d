use super::{Binds, Case, Further, Hard, Remedy, Twin};
use crate::engine::{LabelId, NodeId, ServiceId, State, World};

/// Hard: a replica of another service is near: on a node with the same value of a label.
///
/// A service that is kept with itself is all in one domain. A node without the label is near none, not even itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeepWith {
    service: ServiceId,
    other: ServiceId,
    label: LabelId,
    slot: usize,
}

impl KeepWith {
    pub(super) fn new(service: ServiceId, other: ServiceId, label: LabelId, slot: usize) -> Self {
        Self { service, other, label, slot }
    }
}

impl Hard for KeepWith {
    fn name(&self, world: &World) -> String {
        format!("keep with {} by {}", world.service(self.other).name, world.column(self.label).label)
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        let tally = state.tally(self.other);
        let near = state.world.column(self.label).domain(node);
        let first = self.service == self.other && tally.total == 0;
        near.is_some_and(|domain| first || tally.within(self.slot, domain) > 0)
    }

    /// What has to leave may come to be near again.
    fn binds(&self) -> Binds {
        Binds::Settled
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        let other = &state.world.service(self.other).name;
        let column = state.world.column(self.label);
        match column.label.as_str() {
            "node" => format!("{other} has left {}", state.world.name(node)),
            _ => format!("no {other} is left in {}", column.describe(node)),
        }
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let other = &case.state.world.service(self.other).name;
        Remedy::new(format!("drop keep_with {other}"), Further::Excessive)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        let own_domain = state.world.column(self.label).label == "node";
        if !own_domain && self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Company;
    use insta::assert_snapshot;

    use crate::Acceptance;
    use crate::examples::{solved, three, with};
    use crate::fleet::name;

    #[test]
    fn a_service_follows_another() {
        let mut fleet = three();
        let near = |label: &str| vec![Company { service: name("store"), label: label.into() }];
        fleet.add_service(
            "api",
            [with(|api| {
                api.indexes = vec![0, 1];
                api.rules.keep_with = near("zone");
            })],
        );
        fleet.add_service("cache", [with(|cache| cache.rules.keep_with = near("node"))]);
        assert_snapshot!(solved(&fleet), @"
        api/0 nowhere:
          keep with store by zone excludes 3 (n1 n2 n3): drop keep_with store
        api/1 nowhere:
          keep with store by zone excludes 3 (n1 n2 n3): drop keep_with store
        cache/0 nowhere:
          keep with store by node excludes 3 (n1 n2 n3): drop keep_with store
        ");
        fleet.add_service("store", [with(|_| ())]).put("store/0", "n3", "one", &[]);
        assert_snapshot!(solved(&fleet), @"
        api/0 → n3: new replica
        api/1 → n3: new replica
        cache/0 → n3: new replica
        ");
        fleet.put("api/0", "n3", "one", &[]).put("api/1", "n3", "one", &[]).put("cache/0", "n3", "one", &[]);
        fleet.host("n3").acceptance = Acceptance::Cordoned;
        assert_snapshot!(solved(&fleet), @"");
        fleet.add_service(
            "store",
            [with(|store| {
                store.rules.require.insert("zone".into(), icefield_spec::Condition::one_of(["a"]));
            })],
        );
        assert_snapshot!(solved(&fleet), @"
        api/0 n3 → n2: no store is left in zone b
        api/1 n3 → n1: no store is left in zone b
        cache/0 n3 → n1: store has left n3
        store/0 n3 → n1: n3 no longer has zone=a
        ");
    }

    #[test]
    fn a_service_kept_with_itself_is_all_in_one_domain() {
        let mut fleet = three();
        fleet.add_service(
            "job",
            [with(|job| {
                job.indexes = vec![0, 1, 2, 3];
                job.rules.keep_with = vec![Company { service: name("job"), label: "zone".into() }];
            })],
        );
        fleet.put("job/3", "n3", "one", &[]);
        assert_snapshot!(solved(&fleet), @"
        job/0 → n3: new replica
        job/1 → n3: new replica
        job/2 → n3: new replica
        ");
    }
}
