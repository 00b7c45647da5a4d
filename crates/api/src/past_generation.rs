use std::collections::BTreeMap;

use icefield_plan::Generation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A generation of a node, as the node's agent has kept it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastGeneration {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The generation.
    pub generation: Generation,
    /// What its NixOS system consists of: each store path, with its size in bytes; `None` if the plan names no system, or its
    /// system is not in the node's store any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<BTreeMap<String, u64>>,
}
