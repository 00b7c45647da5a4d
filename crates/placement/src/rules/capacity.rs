use super::{Case, Further, Hard, Remedy, Resource, Resources, Twin};
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
    fn remedy(&self, case: &Case<'_, '_>) -> Remedy {
        let (node, what) = (case.node_name(), self.resource.name());
        let free = self.free(case.state, case.node);
        if free > 0 && free >= self.need.div_ceil(4) {
            let text = format!("lower {what} to {} ({node} has that free)", self.resource.at_most(free));
            return Remedy::new(text, Further::Excessive);
        }
        let missing = self.resource.at_least(self.need.saturating_sub(free));
        let text = match self.twin(case.state, case.node) {
            Twin::Admitted => format!("free {missing} {what} on {node}"),
            _ => format!("give {node} {missing} more {what}"),
        };
        Remedy::new(text, Further::Equal)
    }

    fn twin(&self, state: &State<'_>, node: NodeId) -> Twin {
        if self.need <= state.world.node(node).capacity[self.resource.at()] {
            Twin::Admitted
        } else {
            Twin::WithMore(format!("{} {}", self.resource.at_least(self.need), self.resource.name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Cpu};
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
}
