use icefield_placement::Change;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks for a better layout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RebalanceRequest {
    /// How long to look for one, in seconds; from 1 to [`Self::LONGEST`], and 5 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// How many replicas may move; a tenth of those that are placed, and at least 10, if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<u32>,
}

impl RebalanceRequest {
    /// The longest to look, in seconds.
    pub const LONGEST: u64 = 60;
}

/// A better layout. Nothing of it is done until it is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RebalanceProposal {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The version of the state that it was made from.
    pub version: u64,
    /// What the layout costs now, in points.
    pub before: f64,
    /// What it would cost.
    pub after: f64,
    /// What would change; empty if nothing better was found.
    pub changes: Vec<Change>,
}

/// Starts a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebalanceStart {
    /// The proposal's version. If the spec, the nodes or the placement have changed since, it is refused.
    pub version: u64,
    /// The proposal's changes, or some of them.
    pub changes: Vec<Change>,
}

/// Ends the rebalancing that is under way: what has moved stays where it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebalanceStop {}

/// What became of a start or a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebalanceAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The rebalancing that is under way now; `None` if none is.
    pub rebalance: Option<RebalanceStatus>,
}

/// How far rebalancing is. Replicas move a few at a time, so that no service has more of them unavailable than its
/// rollouts may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebalanceStatus {
    /// When it was started, in milliseconds since 1970 (UTC).
    pub started: u64,
    /// How many replicas are to move.
    pub moves: u32,
    /// How many of them are yet to.
    pub left: u32,
}
