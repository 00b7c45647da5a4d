use icefield_placement::{Acceptance, Host};
use icefield_spec::FleetNode;

use crate::State;
use crate::state::NodeRecord;

/// What becomes of nodes that are declared and have not joined yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joining {
    /// They are not there.
    Absent,
    /// They count as if they had joined, empty: to see where replicas will be once they have.
    Expected,
}

/// A declared node as placement sees it; `None` if it is not there.
pub(super) fn host(state: &State, node: &FleetNode<'_>, joining: Joining) -> Option<Host> {
    let mut host = Host::ready(node);
    let Some(record) = state.nodes.get(&node.name) else {
        return (joining == Joining::Expected).then_some(host);
    };
    if let Some(ports) = record.capacity.ports {
        host.ports = ports;
    }
    host.drivers = Some(record.drivers.iter().cloned().collect());
    host.acceptance = acceptance(record);
    Some(host)
}

/// Whether a node that has joined takes replicas.
///
/// A draining one keeps what it has: its replicas leave it step by step, see [`super::drain`].
pub(super) fn acceptance(record: &NodeRecord) -> Acceptance {
    if record.lost {
        Acceptance::Lost
    } else if record.draining {
        Acceptance::Emptying
    } else if record.cordoned {
        Acceptance::Cordoned
    } else {
        Acceptance::Ready
    }
}
