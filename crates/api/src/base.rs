use std::collections::BTreeMap;
use std::fmt;

use icefield_spec::{Name, Revision, StorePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{RolloutEntry, RolloutStatus, Stale};

/// How far a node is with a NixOS system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SystemState {
    /// It was asked for none.
    #[default]
    Idle,
    /// All of it is being brought into the node's store, and verified.
    Fetching,
    /// All of it is there; it can only be switched to by restarting the machine, once nothing runs on that any more.
    NeedsReboot,
    /// It is being switched to.
    Switching,
    /// The machine restarts with it.
    Rebooting,
    /// The node runs it and has yet to do well with it for a while.
    Confirming,
    /// The node runs it and does well.
    Active,
    /// It did not do well; the node goes back to the one before.
    RollingBack,
    /// It did not do well, and the node runs the one before again.
    RolledBack,
    /// It was never switched to, or there is no way back from it.
    Failed,
}

impl SystemState {
    /// Whether it stays so unless the node is asked for something else.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Active | Self::RolledBack | Self::Failed)
    }
}

impl fmt::Display for SystemState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::Fetching => "fetching",
            Self::NeedsReboot => "needs a reboot",
            Self::Switching => "switching",
            Self::Rebooting => "rebooting",
            Self::Confirming => "confirming",
            Self::Active => "active",
            Self::RollingBack => "rolling back",
            Self::RolledBack => "rolled back",
            Self::Failed => "failed",
        })
    }
}

/// What an agent that activates NixOS systems says of its node's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SystemReport {
    /// How far it is with the system that it was asked for last.
    pub state: SystemState,
    /// That system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<StorePath>,
    /// When it was asked for it; see [`icefield_plan::PlannedSystem::asked`].
    #[serde(default)]
    pub asked: u64,
    /// The node's generation that asked for it.
    #[serde(default)]
    pub generation: u64,
    /// The system that the node runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<StorePath>,
    /// Why, where there is a reason to tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What on the node is not as its generation has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

/// What became of a system on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemEntry {
    /// The node's generation that asked for it.
    pub generation: u64,
    /// The system.
    pub system: StorePath,
    /// When the node was asked for it, in milliseconds since 1970 (UTC).
    pub asked: u64,
    /// When it came to this, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// What became of it: [`SystemState::is_final`].
    pub outcome: SystemState,
    /// Why, where there is a reason to tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The systems that a node was asked for, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeHistory {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The node.
    pub node: Name,
    /// What became of each; the cluster keeps the last twenty.
    pub entries: Vec<SystemEntry>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// One base whose nodes are to run a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaseStatus {
    /// Its name.
    pub name: Name,
    /// The system that its nodes are to run.
    pub system: StorePath,
    /// How many nodes of it are there.
    pub desired: u32,
    /// How many of them run that system and have proved themselves with it.
    pub updated: u32,
    /// How many of them have an agent that activates no systems: they are passed over.
    #[serde(default)]
    pub unable: u32,
    /// The rollout that is under way, or the last one. Its revisions are hashes of systems.
    pub rollout: RolloutStatus,
}

/// What became of a [`crate::RolloutAction`] on a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaseRolloutAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The base.
    pub base: Name,
    /// How its rollout stands now.
    pub rollout: RolloutStatus,
}

/// The rollouts of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaseHistory {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The base.
    pub base: Name,
    /// The systems by the revisions that [`Self::rollouts`] names.
    pub systems: BTreeMap<Revision, StorePath>,
    /// The last ones, newest first: the first is under way, or was the last one.
    pub rollouts: Vec<RolloutEntry>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}
