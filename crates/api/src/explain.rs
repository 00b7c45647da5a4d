use icefield_placement::Explanation;
use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why each replica of a service is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceExplanation {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The service.
    pub service: Name,
    /// Its replicas, by index.
    pub replicas: Vec<ExplainedReplica>,
}

/// Why one replica is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedReplica {
    /// Why it was put there, as it was said then; `None` if it is placed nowhere.
    pub decided: Option<String>,
    /// How it stands now.
    pub explanation: Explanation,
}
