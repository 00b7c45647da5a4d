use icefield_spec::{Name, StorePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which nodes have a closure, or are getting it, for a node that is to get it from one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClosurePeers {
    /// The version of this format.
    pub schema: u32,
    /// The whole path; absent if the node that asks is not to have the closure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<StorePath>,
    /// The nodes, the one to ask first at the front: a handful, however many there are. None if this node is to get it from
    /// elsewhere, for others.
    pub peers: Vec<ClosurePeer>,
}

/// A node that serves what its store has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClosurePeer {
    /// The node.
    pub node: Name,
    /// Where its cache is, see [`crate::Heartbeat::cache`].
    pub url: String,
}
