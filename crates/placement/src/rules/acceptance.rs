use super::{Case, Further, Hard, Remedy, Twin};
use crate::Acceptance;
use crate::engine::{Node, NodeId, State, World};

/// Hard: a node that is lost, draining or cordoned takes no replica; one that is only cordoned keeps what it has.
pub(super) struct Accepts {
    refusal: Acceptance,
}

/// A rule for each kind of refusal that some node has.
pub(super) fn compile(nodes: &[Node<'_>]) -> impl Iterator<Item = Accepts> {
    let kinds = [Acceptance::Lost, Acceptance::Draining, Acceptance::Cordoned];
    kinds
        .into_iter()
        .filter(|kind| nodes.iter().any(|node| node.host.acceptance == *kind))
        .map(|refusal| Accepts { refusal })
}

impl Hard for Accepts {
    fn name(&self, _world: &World<'_>) -> String {
        match self.refusal {
            Acceptance::Lost => "lost",
            Acceptance::Draining => "draining",
            Acceptance::Cordoned => "cordoned",
            Acceptance::Ready => "ready",
        }
        .into()
    }

    fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        state.world.host(node).acceptance != self.refusal
    }

    fn binds_standing(&self) -> bool {
        self.refusal != Acceptance::Cordoned
    }

    fn departure(&self, state: &State<'_>, node: NodeId) -> String {
        let name = state.world.name(node);
        match self.refusal {
            Acceptance::Lost => format!("node {name} is lost"),
            _ => format!("{name} is draining"),
        }
    }

    fn remedy(&self, case: &Case<'_, '_>) -> Remedy {
        let text = match self.refusal {
            Acceptance::Lost => format!("bring {} back", case.node_name()),
            _ => format!("uncordon {}", case.node_name()),
        };
        Remedy::new(text, Further::Excessive)
    }

    fn twin(&self, _state: &State<'_>, _node: NodeId) -> Twin {
        Twin::Admitted
    }
}
