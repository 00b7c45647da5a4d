use icefield_placement::Explanation;
use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Stale;

/// Why each replica of a service is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceExplanation {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The service.
    pub service: Name,
    /// Its replicas, by index.
    pub replicas: Vec<ExplainedReplica>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// Why one replica is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedReplica {
    /// Why it was put there, as it was said then; `None` if it is placed nowhere.
    pub decided: Option<String>,
    /// How it stands now.
    pub explanation: Explanation,
}
