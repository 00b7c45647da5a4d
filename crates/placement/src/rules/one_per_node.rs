use super::{Case, Further, Hard, Remedy, Twin};
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
        let there = self.there(state, node).map(|there| there.to_string()).unwrap_or_default();
        format!("{} has {there} already, and only one may be there", state.world.name(node))
    }

    fn remedy(&self, case: &Case<'_, '_>) -> Remedy {
        let there = self.there(case.state, case.node).map(|there| there.to_string()).unwrap_or_default();
        Remedy::new(format!("take {there} off {}", case.node_name()), Further::Better)
    }

    fn twin(&self, _state: &State<'_>, _node: NodeId) -> Twin {
        Twin::Admitted
    }
}
