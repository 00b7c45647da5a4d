use icefield_spec::Layout;

use super::{POINT, Resource, Resources, Soft};
use crate::engine::{NodeId, State, World};

/// Soft: the emptier the node would be, the better, or the fuller if the service is to be packed.
///
/// It gives less than one point, so it only decides between nodes that are alike to all other rules.
pub(super) struct Fill {
    layout: Layout,
    need: Resources,
}

impl Fill {
    pub(super) fn new(layout: Layout, need: Resources) -> Self {
        Self { layout, need }
    }

    /// The share of the node in use, were the replica there: of the resource that is used most.
    fn share(&self, state: &State<'_>, node: NodeId) -> (f64, Resource) {
        let (capacity, free) = (&state.world.node(node).capacity, state.free(node));
        let share = |resource: Resource| {
            let at = resource.at();
            let used = (capacity[at] - free[at]).saturating_add(self.need[at]);
            // A node that has none of it has none to spare.
            if capacity[at] == 0 { 1.0 } else { (used as f64 / capacity[at] as f64).min(1.0) }
        };
        let (cpu, memory) = (share(Resource::Cpu), share(Resource::Memory));
        if memory > cpu { (memory, Resource::Memory) } else { (cpu, Resource::Cpu) }
    }
}

impl Soft for Fill {
    fn name(&self, _world: &World<'_>) -> String {
        match self.layout {
            Layout::Balanced => "balanced".into(),
            Layout::Packed => "packed".into(),
            Layout::Any => "any layout".into(),
        }
    }

    fn points(&self, state: &State<'_>, node: NodeId) -> i64 {
        let used = (self.share(state, node).0 * (POINT - 1) as f64) as i64;
        match self.layout {
            Layout::Balanced => POINT - 1 - used,
            Layout::Packed => used,
            Layout::Any => 0,
        }
    }

    fn fact(&self, state: &State<'_>, node: NodeId) -> String {
        let (share, resource) = self.share(state, node);
        format!("{:.0}% of its {} would be in use", share * 100.0, resource.name())
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Layout;

    use crate::examples::{counts, three};
    use crate::fleet::demand;

    #[test]
    fn packed_services_fill_one_node_and_balanced_ones_level() {
        let mut fleet = three();
        let mut packed = demand(16);
        packed.rules.layout = Layout::Packed;
        fleet.add_service("packed", [packed]);
        assert_eq!(counts(&fleet), [16, 0, 0]);
        fleet.add_service("packed", []).add_service("level", [demand(16)]);
        assert_eq!(counts(&fleet), [6, 5, 5]);
    }
}
