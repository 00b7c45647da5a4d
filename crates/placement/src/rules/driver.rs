use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{NodeId, State, World};

/// Hard: the node's agent has the driver that the replica is started with, as far as that is known.
pub(super) struct Driver {
    kind: String,
}

impl Driver {
    pub(super) fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned() }
    }
}

impl Hard for Driver {
    fn name(&self, _world: &World) -> String {
        format!("driver {}", self.kind)
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        state.world.node(node).host.as_ref().is_none_or(|host| host.has_driver(&self.kind))
    }

    fn is_static(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        format!("the agent of {} has no driver for {}", state.world.name(node), self.kind)
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let text = format!("have the agent of {} run services under systemd (--systemd system)", case.node_name());
        Remedy::new(text, Further::Excessive)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        if self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insta::assert_snapshot;

    use crate::examples::{solved, three, with};

    #[test]
    fn only_agents_that_have_the_driver_get_it() {
        let mut fleet = three();
        let drivers = |all: &[&str]| Some(all.iter().map(|kind| (*kind).to_owned()).collect::<BTreeSet<_>>());
        fleet.host("n1").drivers = drivers(&["exec"]);
        fleet.host("n2").drivers = drivers(&["exec", "nixos"]);
        fleet.host("n3").drivers = drivers(&["exec", "nix"]);
        let needs = |index: u32| {
            with(|demand| {
                demand.indexes = vec![index];
                demand.driver = Some("nixos".into());
                demand.one_per_node = true;
            })
        };
        fleet.add_service("db", [needs(0)]).put("db/0", "n1", "one", &[]);
        assert_snapshot!(solved(&fleet), @"db/0 n1 → n2: the agent of n1 has no driver for nixos");
        fleet.host("n2").drivers = drivers(&["exec"]);
        assert_snapshot!(solved(&fleet), @"
        db/0 leaves n1: the agent of n1 has no driver for nixos, and no other node can take it
        db/0 nowhere:
          driver nixos excludes 3 (n1 n2 n3): have the agent of n1 run services under systemd (--systemd system)
        ");
        fleet.host("n3").drivers = None;
        assert_snapshot!(solved(&fleet), @"db/0 n1 → n3: the agent of n1 has no driver for nixos");
    }
}
