use super::{Case, Hard, Resource, Resources};
use crate::engine::{NodeId, State, World};

/// Hard: what the replicas of a node need together of a resource is no more than the node has.
pub(super) struct Capacity {
    resource: Resource,
    need: u64,
}

/// A rule for each resource that is needed at all.
pub(super) fn compile(need: Resources) -> impl Iterator<Item = Capacity> {
    let all = Resource::ALL.into_iter().zip(need).map(|(resource, need)| Capacity { resource, need });
    all.filter(|rule| rule.need > 0)
}

impl Capacity {
    fn free(&self, state: &State<'_>, node: NodeId) -> u64 {
        state.free(node)[self.resource.at()]
    }
}

impl Hard for Capacity {
    fn name(&self, _world: &World<'_>) -> String {
        self.resource.name().into()
    }

    fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        self.need <= self.free(state, node)
    }

    fn departure(&self, state: &State<'_>, node: NodeId) -> String {
        format!("{} of {} is exceeded", self.resource.name(), state.world.name(node))
    }

    fn distance(&self, state: &State<'_>, node: NodeId) -> u64 {
        self.need.saturating_sub(self.free(state, node))
    }

    /// Asking for less helps at once, but for less than a quarter it would hardly be the same service.
    fn remedy(&self, case: &Case<'_, '_>) -> String {
        let (node, what) = (case.node_name(), self.resource.name());
        let free = self.free(case.state, case.node);
        let capacity = case.state.world.node(case.node).capacity[self.resource.at()];
        let fits_alone = self.need <= capacity;
        if free >= self.need.div_ceil(4) || (free > 0 && !fits_alone) {
            return format!("lower {what} to {} ({node} has that free)", self.resource.at_most(free));
        }
        let missing = self.resource.at_least(self.need.saturating_sub(free));
        match (fits_alone, case.twin_helps()) {
            (true, true) => format!("free {missing} {what} on {node}, or add a node like it"),
            (true, false) => format!("free {missing} {what} on {node}"),
            (false, true) => {
                format!("add a node like {node} with at least {} {what}", self.resource.at_least(self.need))
            }
            (false, false) => format!("give {node} {missing} more {what}"),
        }
    }
}
