use super::{Case, Hard};
use crate::ReplicaId;
use crate::engine::{NodeId, ReplicaNo, ServiceId, State, World};

/// Hard: at most one replica of the service is on the node, because they would be the same part of its configuration.
pub(super) struct OnePerNode {
    service: ServiceId,
}

impl OnePerNode {
    pub(super) fn new(service: ServiceId) -> Self {
        Self { service }
    }

    /// The replica that is there.
    fn there(&self, state: &State<'_>, node: NodeId) -> Option<ReplicaId> {
        let mut replicas = state.world.service(self.service).replicas.clone().map(ReplicaNo::new);
        let there = replicas.find(|replica| state.spot(*replica).is_some_and(|spot| spot.node == node))?;
        Some(state.world.replica_id(there))
    }
}

impl Hard for OnePerNode {
    fn name(&self, _world: &World<'_>) -> String {
        "one per node".into()
    }

    fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        state.tally(self.service).on(node) == 0
    }

    fn departure(&self, state: &State<'_>, node: NodeId) -> String {
        let (name, there) = (state.world.name(node), self.there(state, node));
        let there = there.map_or_else(|| "another one".into(), |there| there.to_string());
        format!("{name} has {there}, and at most one may be there")
    }

    fn remedy(&self, case: &Case<'_, '_>) -> String {
        let node = case.node_name();
        match self.there(case.state, case.node) {
            Some(there) if !case.twin_helps() => format!("take {there} off {node}"),
            _ => format!("add a node like {node}"),
        }
    }
}
