use super::Soft;
use crate::Weight;
use crate::engine::{Group, NodeId, ResourceId, State, World};

/// Soft: what a node keeps in reserve of a resource should not be used.
pub(super) struct ReserveUse {
    resource: ResourceId,
    need: i64,
    weight: Weight,
}

/// A rule for each resource that `group` needs and whose reserve may be used.
pub(super) fn compile(group: &Group, world: &World) -> Vec<ReserveUse> {
    let soft = world.objective.soft_reserve.iter().filter_map(|(name, weight)| {
        let resource = world.resources.find(name)?;
        Some(ReserveUse { resource, need: group.need[resource.at()], weight: *weight })
    });
    soft.filter(|rule| rule.need > 0).collect()
}

impl ReserveUse {
    /// How much of the reserve is used, with `more` than now.
    fn used(&self, state: &State, node: NodeId, more: i64) -> i64 {
        let at = self.resource.at();
        let left = state.free(node)[at].saturating_sub(more);
        state.world.reserve(node)[at].saturating_sub(left).max(0)
    }
}

impl Soft for ReserveUse {
    fn name(&self, world: &World) -> String {
        format!("reserve of {}", world.resources.name(self.resource))
    }

    fn points(&self, state: &State, node: NodeId) -> i64 {
        self.weight.of(self.used(state, node, 0)) - self.weight.of(self.used(state, node, self.need))
    }

    fn most(&self, _state: &State) -> Option<i64> {
        Some(0)
    }

    fn fact(&self, state: &State, node: NodeId) -> String {
        let used = self.used(state, node, self.need);
        let amount = state.world.resources.at_most(self.resource, used);
        format!("{amount} of the reserve of {} would be in use", state.world.name(node))
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Cpu;

    use crate::Weight;
    use crate::examples::{counts, three};
    use crate::fleet::demand;

    #[test]
    fn a_soft_reserve_is_used_last() {
        let mut fleet = three();
        for node in ["n1", "n2"] {
            fleet.host(node).reserve.cpu = Cpu::from_millis(3500);
        }
        fleet.add_service("web", [demand(12)]);
        assert_eq!(counts(&fleet), [1, 1, 10]);
        fleet.objective.soft_reserve.insert("cpu".into(), Weight { factor: 1_000_000, shift: 0 });
        fleet.add_service("web", [demand(22)]);
        assert_eq!(counts(&fleet), [3, 3, 16]);
    }
}
