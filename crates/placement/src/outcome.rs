use std::sync::Arc;

use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Assignment, Exclusion, ReplicaId};

/// What an engine proposes: how the current placement must change, and what cannot be placed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Solution {
    /// The changes, by service and index; empty when the current placement is as good as wanted.
    pub changes: Vec<Change>,
    /// Replicas that fit nowhere, by service and index.
    pub unplaced: Vec<Unplaced>,
}

/// One difference between the current placement and the proposed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The replica.
    pub replica: ReplicaId,
    /// What happens to it.
    #[serde(flatten)]
    pub kind: ChangeKind,
    /// Why, in a few words: `"node n3 is lost"`.
    pub reason: String,
}

/// What happens to a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was nowhere.
    Place {
        /// Where it will be.
        to: Assignment,
    },
    /// It goes to another node.
    Move {
        /// The node it was on.
        from: Name,
        /// Where it will be.
        to: Assignment,
    },
    /// It stays on its node with another revision or other ports.
    Replace {
        /// What it will be.
        to: Assignment,
    },
    /// It is wanted no more, or may stay nowhere.
    Remove {
        /// The node it was on.
        from: Name,
    },
}

/// A replica that fits nowhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Unplaced {
    /// The replica.
    pub replica: ReplicaId,
    /// Which rule excludes how many nodes; alike replicas share it. Never empty.
    pub reasons: Arc<Vec<Exclusion>>,
}
