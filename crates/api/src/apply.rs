use icefield_spec::{Name, Revision, Spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PlanReport, Stale};

/// Puts a spec in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The spec.
    pub spec: Spec,
    /// Whether to go on though some replicas fit nowhere; else such a spec is refused.
    #[serde(default)]
    pub allow_unplaced: bool,
    /// What the spec was planned against: if that is no longer so, it is refused and says what has changed since.
    /// Without it, the spec is put in force whatever is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<PlanBasis>,
}

impl ApplyRequest {
    /// Puts `spec` in force whatever is there now, though some replicas may fit nowhere.
    pub fn whatever_is_there(spec: Spec) -> Self {
        Self { spec, allow_unplaced: true, expect: None }
    }
}

/// What a plan was made from. An apply that carries it is refused if it would no longer do what the plan says.
///
/// What replicas do (crashes, restarts, health) is no part of it, and so refuses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanBasis {
    /// The revision of the spec in force then; `None` if there was none yet.
    pub spec: Option<Revision>,
    /// The hash of the plan's changes and of what fits nowhere. `None` if only another spec in between is to refuse
    /// the apply, not what else changes the plan: nodes that were lost, replicas that were moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Revision>,
    /// The number of the last event then; what has happened since is told in a refusal.
    #[serde(default)]
    pub event: u64,
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
    /// What it changed. It is not kept: the answer to a request that is repeated says what is still to change.
    pub report: PlanReport,
}

/// The specs that were put in force, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The entries; the cluster keeps the last hundred.
    pub entries: Vec<HistoryEntry>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
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
    /// The services that it declared anew, changed or dropped, by name; the first [`Self::NAMED`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Name>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_changed: u64,
}

impl HistoryEntry {
    /// How many services an entry names.
    pub const NAMED: usize = 20;
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
