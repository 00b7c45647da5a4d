use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{NodeId, State, World};

/// Hard: the node has no taint that the service does not tolerate.
pub(super) struct Taint {
    tolerated: Vec<String>,
}

impl Taint {
    pub(super) fn new(tolerated: &[String]) -> Self {
        Self { tolerated: tolerated.to_vec() }
    }

    /// The taints of `node` that are in the way.
    fn obstacles<'a>(&'a self, state: &'a State, node: NodeId) -> impl Iterator<Item = &'a str> {
        let host = state.world.node(node).host.iter();
        let taints = host.flat_map(|host| &host.taints);
        taints.filter(|taint| !self.tolerated.contains(taint)).map(String::as_str)
    }

    fn named(&self, state: &State, node: NodeId) -> String {
        self.obstacles(state, node).collect::<Vec<_>>().join(" and ")
    }
}

impl Hard for Taint {
    fn name(&self, _world: &World) -> String {
        "taint".into()
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        !state.world.is_tainted(node) || self.obstacles(state, node).next().is_none()
    }

    fn is_static(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        format!("{} is reserved for what tolerates {}", state.world.name(node), self.named(state, node))
    }

    fn distance(&self, state: &State, node: NodeId) -> u64 {
        self.obstacles(state, node).count() as u64
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        Remedy::new(format!("tolerate {}", self.named(case.state, case.node)), Further::Excessive)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        if self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::examples::{solved, three, with};
    use crate::fleet::demand;

    #[test]
    fn reserved_nodes_take_only_what_tolerates_them() {
        let mut fleet = three();
        for node in ["n1", "n2", "n3"] {
            fleet.host(node).taints.insert("gpu".into());
        }
        fleet.host("n2").taints.insert("old".into());
        fleet.add_service("web", [demand(1)]).put("web/0", "n3", "one", &[]);
        fleet.add_service("ml", [with(|ml| ml.rules.tolerate = vec!["gpu".into()])]);
        assert_snapshot!(solved(&fleet), @"
        ml/0 → n1: new replica
        web/0 leaves n3: n3 is reserved for what tolerates gpu, and no other node can take it
        web/0 nowhere:
          taint excludes 3 (n1 n2 n3): tolerate gpu
        ");
    }
}
