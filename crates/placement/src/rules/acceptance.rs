use super::{Binds, Case, Further, Hard, Remedy, Twin};
use crate::Acceptance;
use crate::engine::{NodeId, State, World};

/// Hard: a node that is lost, draining, cordoned or suspect takes no replica; in the last two cases it keeps what it has, and one
/// that is emptied step by step does until that is asked to leave.
pub(super) struct Accepts {
    refusal: Acceptance,
}

/// A rule for each kind of refusal.
pub(super) fn compile() -> impl Iterator<Item = Accepts> {
    use Acceptance::{Cordoned, Draining, Emptying, Lost, Suspect};
    let kinds = [Lost, Draining, Emptying, Cordoned, Suspect];
    kinds.into_iter().map(|refusal| Accepts { refusal })
}

impl Hard for Accepts {
    fn name(&self, _world: &World) -> String {
        match self.refusal {
            Acceptance::Lost => "lost",
            Acceptance::Draining | Acceptance::Emptying => "draining",
            Acceptance::Cordoned => "cordoned",
            Acceptance::Suspect => "suspect",
            Acceptance::Ready => "ready",
        }
        .into()
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        state.world.acceptance(node) != self.refusal
    }

    /// Only nodes that take replicas come into question at all.
    fn strike(&self, _state: &State, _nodes: &mut Vec<NodeId>) {}

    fn binds(&self) -> Binds {
        if self.refusal <= Acceptance::Emptying { Binds::Arriving } else { Binds::Standing }
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        let name = state.world.name(node);
        match self.refusal {
            Acceptance::Lost => format!("node {name} is lost"),
            _ => format!("{name} is draining"),
        }
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let text = match self.refusal {
            Acceptance::Lost | Acceptance::Suspect => format!("bring {} back", case.node_name()),
            _ => format!("uncordon {}", case.node_name()),
        };
        Remedy::new(text, Further::Excessive)
    }

    fn twin(&self, _state: &State, _node: NodeId) -> Twin {
        Twin::Admitted
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::Acceptance;
    use crate::examples::{solved, three};
    use crate::fleet::demand;

    #[test]
    fn nodes_that_go_away() {
        let mut fleet = three();
        fleet.host("n1").acceptance = Acceptance::Lost;
        fleet.host("n2").acceptance = Acceptance::Draining;
        fleet.add_service("web", [demand(5)]);
        fleet.put("web/0", "n1", "one", &[]).put("web/1", "n2", "one", &[]).put("web/2", "n3", "one", &[]);
        fleet.put("web/3", "n4", "one", &[]);
        assert_snapshot!(solved(&fleet), @"
        web/0 n1 → n3: node n1 is lost
        web/1 n2 → n3: n2 is draining
        web/3 n4 → n3: node n4 is gone
        web/4 → n3: new replica
        ");
        fleet.host("n3").acceptance = Acceptance::Cordoned;
        assert_snapshot!(solved(&fleet), @"
        web/0 leaves n1: node n1 is lost, and no other node can take it
        web/1 leaves n2: n2 is draining, and no other node can take it
        web/3 leaves n4: node n4 is gone, and no other node can take it
        web/0 nowhere:
          lost excludes 1 (n1): bring n1 back
          draining excludes 1 (n2): uncordon n2
          cordoned excludes 1 (n3): uncordon n3
        web/1 nowhere:
          lost excludes 1 (n1): bring n1 back
          draining excludes 1 (n2): uncordon n2
          cordoned excludes 1 (n3): uncordon n3
        web/3 nowhere:
          lost excludes 1 (n1): bring n1 back
          draining excludes 1 (n2): uncordon n2
          cordoned excludes 1 (n3): uncordon n3
        web/4 nowhere:
          lost excludes 1 (n1): bring n1 back
          draining excludes 1 (n2): uncordon n2
          cordoned excludes 1 (n3): uncordon n3
        ");
    }
}
