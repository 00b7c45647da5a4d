use icefield_api::RolloutAction;
use icefield_spec::Name;
use serde::{Deserialize, Serialize};

/// How the rollout of a base goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum BaseStep {
    /// These nodes are to come to the target now.
    Advance {
        /// The nodes.
        nodes: Vec<Name>,
    },
    /// A node must be restarted, so its replicas are to leave it.
    Drain {
        /// The node.
        node: Name,
    },
    /// Nothing is left on a node, so it may be restarted.
    Permit {
        /// The node.
        node: Name,
    },
    /// A node runs what it was asked for and has proved itself.
    Prove {
        /// The node.
        node: Name,
    },
    /// A node does not come to the target after the rollout is over; it is left as it is.
    Leave {
        /// The node.
        node: Name,
        /// Why.
        reason: String,
    },
    /// What was to be tried first has proved itself; a wait begins.
    Hold,
    /// It goes on with the rest.
    Proceed,
    /// Every node runs the target and has proved itself.
    Finish,
    /// It has failed: it goes back if the base says so, and stops where it is otherwise.
    Fail {
        /// Why.
        reason: String,
    },
    /// A person's wish.
    Steer {
        /// The wish.
        action: RolloutAction,
    },
}
