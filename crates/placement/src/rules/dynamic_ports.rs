use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{NodeId, State, World};

/// Hard: the node's range has enough free ports, besides those that the replica takes of it as fixed ones.
pub(super) struct DynamicPorts {
    count: u32,
    fixed: Vec<u16>,
}

impl DynamicPorts {
    pub(super) fn new(count: u32, fixed: &[u16]) -> Self {
        let mut fixed = fixed.to_vec();
        fixed.sort_unstable();
        fixed.dedup();
        Self { count, fixed }
    }

    fn missing(&self, state: &State<'_>, node: NodeId) -> u32 {
        self.count.saturating_sub(state.ports(node).free_besides(&self.fixed))
    }
}

impl Hard for DynamicPorts {
    fn name(&self, _world: &World<'_>) -> String {
        "dynamic ports".into()
    }

    fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        self.missing(state, node) == 0
    }

    fn departure(&self, state: &State<'_>, node: NodeId) -> String {
        format!("{} has too few dynamic ports", state.world.name(node))
    }

    fn distance(&self, state: &State<'_>, node: NodeId) -> u64 {
        self.missing(state, node).into()
    }

    fn remedy(&self, case: &Case<'_, '_>) -> Remedy {
        let missing = self.missing(case.state, case.node);
        let ports = if missing == 1 { "port" } else { "ports" };
        Remedy::new(format!("give {} {missing} more dynamic {ports}", case.node_name()), Further::Excessive)
    }

    fn twin(&self, state: &State<'_>, node: NodeId) -> Twin {
        let range = state.ports(node).range();
        let fixed = self.fixed.iter().filter(|port| range.contains(**port)).count();
        if u64::from(range.count()) >= u64::from(self.count) + fixed as u64 { Twin::Admitted } else { Twin::Refused }
    }
}
