use icefield_spec::{Name, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{RolloutState, RolloutStatus, Stale};

/// What a rollout that is under way is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutPhase {
    /// It has yet to begin: what the service comes after is not ready.
    Waiting,
    /// The first replicas of the new revision have yet to prove themselves: the canaries, or all that will be switched to.
    Trial,
    /// They have proved themselves; it waits for a time to pass, or for someone to confirm.
    Held,
    /// Replicas take the new revision a few at a time.
    #[default]
    Rolling,
    /// Discovery has switched to the new replicas; the old ones run on for a while.
    Switched,
}

/// What a person can ask of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutAction {
    /// Take no further step, neither on nor back.
    Pause,
    /// Go on.
    Resume,
    /// What was tried is good: go on with the rest.
    Confirm,
    /// Go back to the last good revision before; of a rollout that is done, to the one before it.
    Undo,
    /// Go back to this revision: one that all replicas had proved themselves with, and that is kept.
    UndoTo(Revision),
}

/// What became of a [`RolloutAction`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The service.
    pub service: Name,
    /// How its rollout stands now.
    pub rollout: RolloutStatus,
}

/// The rollouts of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutHistory {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The service.
    pub service: Name,
    /// The last ones, newest first: the first is under way, or was the last one.
    pub rollouts: Vec<RolloutEntry>,
    /// The revisions that an undo can go back to, newest first.
    #[serde(default)]
    pub kept: Vec<Revision>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// One rollout of the past, or the one that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutEntry {
    /// The revision before; `None` for a new service.
    pub from: Option<Revision>,
    /// The revision after.
    pub to: Revision,
    /// What became of it.
    pub state: RolloutState,
    /// Why, where there is a reason to tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it started, in milliseconds since 1970 (UTC).
    pub started: u64,
    /// When it ended, in milliseconds since 1970 (UTC); `None` while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
}
