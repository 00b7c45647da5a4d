use icefield_spec::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::NodePlan;

/// A node plan with its number and hash: what an agent makes true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Rises with each change of this node's plan. An agent refuses a lower one than its own.
    pub number: u64,
    /// The plan's content hash.
    pub hash: Revision,
    /// The plan.
    pub plan: NodePlan,
}

impl Generation {
    /// The generation `number` of a node, with its hash.
    pub fn new(number: u64, plan: NodePlan) -> Self {
        Self { number, hash: plan.hash(), plan }
    }
}
