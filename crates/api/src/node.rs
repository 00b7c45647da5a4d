use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a node stands with the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Declared, and its agent has not been seen yet.
    Joining,
    /// Takes and keeps replicas.
    Ready,
    /// Its agent has been silent for a while: it keeps its replicas and takes no new ones until it is heard of again.
    Suspect,
    /// Keeps replicas and takes no new ones.
    Cordoned,
    /// Its replicas are leaving, or have left.
    Draining,
    /// Its agent has not been heard of for longer than the lease.
    Lost,
    /// Its agent is there, but no spec declares it, so it gets no replicas.
    Undeclared,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Joining => "joining",
            Self::Ready => "ready",
            Self::Suspect => "suspect",
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
            Self::Lost => "lost",
            Self::Undeclared => "undeclared",
        })
    }
}

/// What an operator can ask of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeAction {
    /// Take no new replicas.
    Cordon,
    /// Let all replicas leave, and take no new ones.
    Drain,
    /// Take replicas again.
    Uncordon,
    /// Go back to the NixOS system that it ran well before, and stay there until its base gets another one.
    Rollback,
    /// Be forgotten: only of a node that is lost, or drained and empty.
    Remove,
    /// Be forgotten, however it stands: its replicas go elsewhere at once.
    ForceRemove,
}
