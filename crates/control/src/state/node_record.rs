use icefield_api::Capacity;
use serde::{Deserialize, Serialize};

/// What the cluster knows of a node whose agent has registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The address that its replicas are reached by.
    pub address: String,
    /// The URL of the agent's own API.
    pub api: String,
    /// What the machine has.
    pub capacity: Capacity,
    /// The agent's drivers.
    pub drivers: Vec<String>,
    /// When its agent was started, as that says.
    #[serde(default)]
    pub started: u64,
    /// Whether its lease has run out.
    pub lost: bool,
    /// Whether an operator has removed it: it counts as lost until another agent joins. The record stays, because the
    /// numbers of generations must not start anew.
    #[serde(default)]
    pub removed: bool,
    /// Whether it takes no new replicas.
    pub cordoned: bool,
    /// Whether its replicas are to leave.
    pub draining: bool,
    /// The number of its newest generation.
    pub generation: u64,
    /// The hash of its newest generation's plan.
    pub hash: Option<icefield_spec::Revision>,
}
