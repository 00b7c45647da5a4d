use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{Group, NodeId, ResourceId, State, World};

/// Hard: what the replicas of a node need together of a resource is no more than the node has, beyond what it keeps in
/// reserve.
pub(super) struct Capacity {
    resource: ResourceId,
    need: i64,
}

/// A rule for each resource that is needed at all.
pub(super) fn compile(group: &Group, world: &World) -> impl Iterator<Item = Capacity> {
    let all = world.resources.ids().map(|resource| Capacity { resource, need: group.need[resource.at()] });
    all.filter(|rule| rule.need > 0)
}

impl Capacity {
    fn free(&self, state: &State, node: NodeId) -> i64 {
        state.free(node)[self.resource.at()]
    }

    /// How much less than its reserve the node has, if that may not be used.
    fn lacking(&self, state: &State, node: NodeId) -> i64 {
        let at = self.resource.at();
        match state.world.is_soft(self.resource) {
            true => 0,
            false => (state.world.reserve(node)[at] - state.world.whole(node)[at]).max(0),
        }
    }
}

impl Hard for Capacity {
    fn name(&self, world: &World) -> String {
        world.resources.name(self.resource).to_owned()
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        self.need <= self.free(state, node)
    }

    fn strike(&self, state: &State, nodes: &mut Vec<NodeId>) {
        let (free, size) = (&state.all_free()[self.resource.at()..], state.world.resources.len());
        nodes.retain(|node| self.need <= free[node.at() * size]);
    }

    fn yields(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        format!("{} of {} is exceeded", self.name(&state.world), state.world.name(node))
    }

    fn distance(&self, state: &State, node: NodeId) -> u64 {
        self.need.saturating_sub(self.free(state, node)).max(0).unsigned_abs()
    }

    /// Asking for less helps at once, but for less than a quarter it would hardly be the same service.
    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let resources = &case.state.world.resources;
        let (node, what) = (case.node_name(), resources.name(self.resource));
        let free = self.free(case.state, case.node);
        if free > 0 && free >= self.need.unsigned_abs().div_ceil(4).cast_signed() {
            let text = format!("lower {what} to {} ({node} has that free)", resources.at_most(self.resource, free));
            return Remedy::new(text, Further::Excessive);
        }
        let missing = self.need.saturating_sub(free).saturating_add(self.lacking(case.state, case.node));
        let missing = resources.at_least(self.resource, missing);
        let text = match self.twin(case.state, case.node) {
            Twin::Admitted => format!("free {missing} {what} on {node}"),
            _ => format!("give {node} {missing} more {what}"),
        };
        Remedy::new(text, Further::Equal)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        if self.need <= state.world.limits(node)[self.resource.at()] {
            return Twin::Admitted;
        }
        // What it keeps in reserve, it would keep in reserve of more.
        let kept = state.world.whole(node)[self.resource.at()] - state.world.limits(node)[self.resource.at()];
        let reserve = kept.saturating_add(self.lacking(state, node));
        let resources = &state.world.resources;
        let least = resources.at_least(self.resource, self.need.saturating_add(reserve));
        Twin::WithMore(format!("{least} {}", resources.name(self.resource)))
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Amount, Bytes, Cpu};
    use insta::assert_snapshot;

    use crate::examples::{solved, three, with};

    #[test]
    fn too_little_cpu_or_memory() {
        let mut fleet = three();
        fleet.add_service("a", [with(|a| a.cpu = Cpu::from_millis(5000))]);
        fleet.add_service("b", [with(|b| b.memory = Bytes::new(9_000_000_000))]);
        fleet.add_service("c", [with(|c| (c.cpu, c.memory) = (Cpu::from_millis(5000), Bytes::new(9_000_000_000)))]);
        fleet.add_service("d", [with(|d| (d.indexes, d.cpu) = ((0..4).collect(), Cpu::from_millis(3900)))]);
        assert_snapshot!(solved(&fleet), @"
        d/0 → n1: new replica
        d/1 → n2: new replica
        d/2 → n3: new replica
        a/0 nowhere:
          cpu excludes 3 (n1 n2 n3): give n1 4900m more cpu, or add a node like n1 with at least 5 cpu
        b/0 nowhere:
          cpu excludes 3 (n1 n2 n3): lower cpu to 100m (n1 has that free), and also lower memory to 7.7GiB (n1 has that free)
        c/0 nowhere:
          cpu excludes 3 (n1 n2 n3): add a node like n1 with at least 5 cpu and 8.4GiB memory
        d/3 nowhere:
          cpu excludes 3 (n1 n2 n3): free 3800m cpu on n1, or add a node like n1
        ");
    }

    #[test]
    fn other_resources_and_what_is_kept_in_reserve() {
        let mut fleet = three();
        fleet.host("n1").resources.insert("gpu".into(), Amount::Count(2));
        fleet.host("n1").reserve.resources.insert("gpu".into(), Amount::Count(1));
        fleet.host("n3").reserve.memory = Bytes::new(8000 << 20);
        fleet.add_service(
            "ml",
            [with(|ml| {
                ml.indexes = vec![0, 1];
                ml.resources.insert("gpu".into(), Amount::Count(1));
            })],
        );
        assert_snapshot!(solved(&fleet), @"
        ml/0 → n1: new replica
        ml/1 nowhere:
          memory excludes 1 (n3): add a node like n3 with at least 8.1GiB memory and 1 gpu
          gpu excludes 2 (n1 n2): free 1 gpu on n1, or add a node like n1
        ");
    }
}
