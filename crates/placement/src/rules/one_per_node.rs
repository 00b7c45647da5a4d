use super::{Case, Further, Hard, Remedy, Twin};
use crate::ReplicaId;
use crate::engine::{NodeId, ServiceId, State, World};

/// Hard: at most one replica of the service is on the node, because they would be the same part of its configuration.
pub(super) struct OnePerNode {
    service: ServiceId,
}

impl OnePerNode {
    pub(super) fn new(service: ServiceId) -> Self {
        Self { service }
    }

    /// The replica that is there.
    fn there(&self, state: &State, node: NodeId) -> Option<ReplicaId> {
        let there = state.on_node(node).iter().filter(|key| key.service == self.service).min()?;
        Some(state.world.replica_id(*there))
    }
}

impl Hard for OnePerNode {
    fn name(&self, _world: &World) -> String {
        "one per node".into()
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        state.tally(self.service).on(node) == 0
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        let there = self.there(state, node).map(|there| there.to_string()).unwrap_or_default();
        format!("{} has {there} already", state.world.name(node))
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let there = self.there(case.state, case.node).map(|there| there.to_string()).unwrap_or_default();
        Remedy::new(format!("take {there} off {}", case.node_name()), Further::Better)
    }

    fn twin(&self, _state: &State, _node: NodeId) -> Twin {
        Twin::Admitted
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::examples::{solved, three};
    use crate::fleet::demand;

    #[test]
    fn the_fourth_of_three_nodes() {
        let mut fleet = three();
        let mut single = demand(4);
        single.one_per_node = true;
        fleet.add_service("single", [single.clone()]);
        assert_snapshot!(solved(&fleet), @"
        single/0 → n1: new replica
        single/1 → n2: new replica
        single/2 → n3: new replica
        single/3 nowhere:
          one per node excludes 3 (n1 n2 n3): add a node like n1
        ");
        single.rules.require.insert("node".into(), icefield_spec::Condition::one_of(["n2"]));
        single.indexes = vec![0, 1];
        fleet.add_service("single", [single]).put("single/0", "n2", "one", &[]).put("single/1", "n2", "one", &[]);
        assert_snapshot!(solved(&fleet), @"
        single/1 leaves n2: n2 has single/0 already, and no other node can take it
        single/1 nowhere:
          require node=n2 excludes 2 (n1 n3): allow node=n1
          one per node excludes 1 (n2): take single/0 off n2
        ");
    }
}
