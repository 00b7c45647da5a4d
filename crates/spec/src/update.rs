use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Millis;

/// How a service goes from one revision to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Update {
    /// A few replicas at a time; each must prove itself before the next.
    Rolling {
        /// How many replicas may be down at once by the rollout's doing; at least 1.
        max_unavailable: u32,
        /// How long a new replica must be healthy before it counts.
        healthy_for: Millis,
        /// How long one step may take before the rollout has failed.
        deadline: Millis,
        /// Whether a failed rollout goes back to the revision before.
        rollback: bool,
    },
}

impl Default for Update {
    fn default() -> Self {
        Self::Rolling {
            max_unavailable: 1,
            healthy_for: Millis::new(1_000),
            deadline: Millis::new(60_000),
            rollback: true,
        }
    }
}
