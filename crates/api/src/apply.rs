use icefield_spec::{Revision, Spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PlanReport;

/// Puts a spec in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The spec.
    pub spec: Spec,
    /// Whether to go on though some replicas fit nowhere; else such a spec is refused.
    #[serde(default)]
    pub allow_unplaced: bool,
}

/// What an apply did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApplyResponse {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The revision of the spec, now in force.
    pub revision: Revision,
    /// The log index of the apply; the same as the one in force before if nothing was new.
    pub version: u64,
    /// What it changed.
    pub report: PlanReport,
}

/// The specs that were put in force, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The entries; the cluster keeps the last hundred.
    pub entries: Vec<HistoryEntry>,
}

/// One spec that was put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The log index of the apply.
    pub version: u64,
    /// The spec's revision.
    pub revision: Revision,
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
}
