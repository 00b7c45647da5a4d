use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{NodeId, State, World};

/// Hard: a replica that is tied to a node, as by what it keeps there, is on no other.
pub(crate) struct Tie {
    /// `None` if no such node was ever known.
    node: Option<NodeId>,
    name: String,
}

impl Tie {
    pub(crate) fn new(name: &icefield_spec::Name, world: &World) -> Self {
        Self { node: world.node_called(name), name: name.to_string() }
    }
}

impl Hard for Tie {
    fn name(&self, _world: &World) -> String {
        format!("tied to {}", self.name)
    }

    fn admits(&self, _state: &State, node: NodeId) -> bool {
        self.node == Some(node)
    }

    fn departure(&self, _state: &State, _node: NodeId) -> String {
        format!("it is tied to {}", self.name)
    }

    fn remedy(&self, _case: &Case<'_>) -> Remedy {
        Remedy::new(format!("untie it from {}", self.name), Further::Excessive)
    }

    fn twin(&self, _state: &State, _node: NodeId) -> Twin {
        Twin::Refused
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::Acceptance;
    use crate::examples::{solved, three, with};
    use crate::fleet::name;

    #[test]
    fn a_tied_replica_waits_for_its_node() {
        let mut fleet = three();
        fleet.add_service(
            "db",
            [with(|db| {
                db.indexes = vec![0, 1, 2];
                db.ties = [(0, name("n3")), (1, name("n9"))].into();
            })],
        );
        fleet.put("db/0", "n1", "one", &[]);
        assert_snapshot!(solved(&fleet), @"
        db/0 n1 → n3: it is tied to n3
        db/2 → n1: new replica
        db/1 nowhere:
          tied to n9 excludes 3 (n1 n2 n3): untie it from n9
        ");
        fleet.host("n3").acceptance = Acceptance::Lost;
        assert_snapshot!(solved(&fleet), @"
        db/0 leaves n1: it is tied to n3, and no other node can take it
        db/2 → n1: new replica
        db/0 nowhere:
          tied to n3 excludes 2 (n1 n2): untie it from n3
          lost excludes 1 (n3): bring n3 back
        db/1 nowhere:
          tied to n9 excludes 3 (n1 n2 n3): untie it from n9
        ");
    }
}
