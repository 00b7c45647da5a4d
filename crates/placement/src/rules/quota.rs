use super::{Binds, Case, Further, Hard, Remedy, Twin};
use crate::engine::{Group, NodeId, QuotaId, ResourceId, State, World};

/// Hard for what comes: the placed replicas of a namespace need together no more than its quota. What runs already when
/// a quota is lowered goes on running.
pub(super) struct Quota {
    quota: QuotaId,
    /// `None`: the number of replicas.
    resource: Option<ResourceId>,
    need: i64,
    most: i64,
}

/// A rule for each part of the quota that `group` counts for.
pub(super) fn compile(group: &Group, world: &World) -> Vec<Quota> {
    let Some(quota) = group.quota else { return Vec::new() };
    let limits = &world.quotas[quota.at()];
    let count = limits.replicas.map(|most| Quota { quota, resource: None, need: 1, most: most.into() });
    let amounts = world.resources.ids().filter_map(|resource| {
        let most = limits.amounts[resource.at()]?;
        Some(Quota { quota, resource: Some(resource), need: group.need[resource.at()], most })
    });
    count.into_iter().chain(amounts.filter(|rule| rule.need > 0)).collect()
}

impl Quota {
    /// What the quota must be for one more.
    fn needed(&self, state: &State) -> i128 {
        let used = state.used(self.quota);
        let used = self.resource.map_or(i128::from(used.replicas), |resource| used.amounts[resource.at()]);
        used + i128::from(self.need)
    }

    fn what<'w>(&self, world: &'w World) -> &'w str {
        self.resource.map_or("replicas", |resource| world.resources.name(resource))
    }
}

impl Hard for Quota {
    fn name(&self, world: &World) -> String {
        format!("quota of {}", world.quotas[self.quota.at()].namespace)
    }

    fn admits(&self, state: &State, _node: NodeId) -> bool {
        self.needed(state) <= i128::from(self.most)
    }

    fn strike(&self, state: &State, nodes: &mut Vec<NodeId>) {
        if self.needed(state) > i128::from(self.most) {
            nodes.clear();
        }
    }

    fn binds(&self) -> Binds {
        Binds::Arriving
    }

    fn departure(&self, state: &State, _node: NodeId) -> String {
        format!("the {} is used up", self.name(&state.world))
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let world = &case.state.world;
        let needed = i64::try_from(self.needed(case.state)).unwrap_or(i64::MAX);
        let amount = match self.resource {
            None => needed.to_string(),
            Some(resource) => world.resources.at_least(resource, needed),
        };
        let namespace = &world.quotas[self.quota.at()].namespace;
        Remedy::new(format!("raise the {} of namespace {namespace} to {amount}", self.what(world)), Further::Excessive)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        if self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Cpu, Quota};
    use insta::assert_snapshot;

    use crate::examples::{solved, three, with};
    use crate::fleet::name;

    #[test]
    fn a_namespace_gets_no_more_than_its_quota() {
        let mut fleet = three();
        let service = || {
            with(|own| {
                own.indexes = vec![0, 1];
                own.namespace = Some(name("team"));
            })
        };
        fleet.add_service("a", [service()]).add_service("b", [service()]);
        fleet.quotas.insert(name("team"), Quota { replicas: Some(3), ..Quota::default() });
        assert_snapshot!(solved(&fleet), @"
        a/0 → n1: new replica
        a/1 → n2: new replica
        b/0 → n3: new replica
        b/1 nowhere:
          quota of team excludes 3 (n1 n2 n3): raise the replicas of namespace team to 4
        ");
        fleet.quotas.insert(name("team"), Quota { cpu: Some(Cpu::from_millis(600)), ..Quota::default() });
        assert_snapshot!(solved(&fleet), @"
        a/0 → n1: new replica
        a/1 → n2: new replica
        b/0 nowhere:
          quota of team excludes 3 (n1 n2 n3): raise the cpu of namespace team to 750m
        b/1 nowhere:
          quota of team excludes 3 (n1 n2 n3): raise the cpu of namespace team to 750m
        ");
    }
}
