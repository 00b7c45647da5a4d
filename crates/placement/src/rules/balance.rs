use super::Soft;
use crate::engine::{Group, NodeId, ResourceId, State, World};

/// Soft: what is free of one resource on a node is worth little unless enough of another is free there too.
pub(super) struct Balance {
    of: ResourceId,
    with: ResourceId,
    rule: crate::Balance,
    /// What a replica needs of the two.
    need: (i64, i64),
}

/// A rule for each pair that matters, of which `group` needs either.
pub(super) fn compile(group: &Group, world: &World) -> Vec<Balance> {
    let pairs = world.objective.balance.iter().filter_map(|rule| {
        let (of, with) = (world.resources.find(&rule.resource)?, world.resources.find(&rule.with)?);
        let need = (group.need[of.at()], group.need[with.at()]);
        Some(Balance { of, with, rule: rule.clone(), need })
    });
    pairs.filter(|rule| rule.need != (0, 0)).collect()
}

impl Balance {
    /// What the node costs with so much less free.
    fn cost(&self, state: &State, node: NodeId, less: (i64, i64)) -> i64 {
        // What the whole node has counts, whether kept in reserve or not.
        let kept = |resource: ResourceId| {
            let at = resource.at();
            state.world.whole(node)[at].saturating_sub(state.world.limits(node)[at])
        };
        let left = |resource: ResourceId, less: i64| {
            i128::from(state.free(node)[resource.at()]) + i128::from(kept(resource)) - i128::from(less)
        };
        let (of, with) = (left(self.of, less.0), left(self.with, less.1));
        let missing = i128::from(self.rule.target) * of - i128::from(self.rule.ratio) * with;
        self.rule.weight.of_wide(missing.max(0))
    }
}

impl Soft for Balance {
    fn name(&self, world: &World) -> String {
        format!("balance of {} and {}", world.resources.name(self.of), world.resources.name(self.with))
    }

    fn points(&self, state: &State, node: NodeId) -> i64 {
        self.cost(state, node, (0, 0)).saturating_sub(self.cost(state, node, self.need))
    }

    fn most(&self, _state: &State) -> Option<i64> {
        None
    }

    fn fact(&self, state: &State, node: NodeId) -> String {
        let left = |resource: ResourceId, need: i64| {
            let left = state.free(node)[resource.at()].saturating_sub(need);
            format!("{} {}", state.world.resources.at_most(resource, left), state.world.resources.name(resource))
        };
        let (of, with) = (left(self.of, self.need.0), left(self.with, self.need.1));
        format!("{} would have {of} and {with} free", state.world.name(node))
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Cpu, Layout};

    use crate::examples::{counts, three, with};
    use crate::{Balance, Weight};

    #[test]
    fn what_is_left_stays_useful() {
        let mut fleet = three();
        fleet.host("n2").memory = Bytes::new(2 << 30);
        fleet.add_service(
            "web",
            [with(|web| {
                web.cpu = Cpu::from_millis(2000);
                web.rules.layout = Layout::Any;
            })],
        );
        assert_eq!(counts(&fleet), [1, 0, 0]);
        // Each core should find 2 GiB: n2 has too little for its four.
        fleet.objective.balance.push(Balance {
            resource: "cpu".into(),
            with: "memory".into(),
            target: 2 << 30,
            ratio: 1000,
            weight: Weight { factor: 1 << 20, shift: 40 },
        });
        assert_eq!(counts(&fleet), [0, 1, 0]);
    }
}
