use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Assignment, ReplicaId};

/// Why a replica is where it is, or nowhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The replica.
    pub replica: ReplicaId,
    /// Where it is; `None` if it is placed nowhere.
    pub assignment: Option<Assignment>,
    /// The parts of its node's score, as if it were to be placed now.
    pub score: Vec<ScorePart>,
    /// The best other nodes, best first; at most three.
    pub alternatives: Vec<Alternative>,
    /// Nodes that cannot take it, by rule.
    pub excluded: Vec<Exclusion>,
}

/// What one soft rule gives a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScorePart {
    /// The rule: `"prefer zone=a"`, `"spread over zone"`, `"balanced"`.
    pub rule: String,
    /// What it gives; more is better.
    pub points: f64,
    /// The fact behind it: `"2 of 6 replicas are in zone a"`.
    pub fact: String,
}

/// Another node that could take the replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// The node.
    pub node: Name,
    /// The parts of its score.
    pub score: Vec<ScorePart>,
}

/// One hard rule that excludes nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exclusion {
    /// The rule: `"cpu"`, `"memory"`, `"port 8080"`, `"require disk=ssd"`, `"spread node max 1"`, `"draining"`.
    pub rule: String,
    /// How many nodes it excludes that no earlier rule did.
    pub nodes: u64,
    /// Some of them by name.
    pub examples: Vec<Name>,
    /// The smallest change that would let the replica in past this rule: `"lower memory to 1.4GiB"`.
    pub fix: String,
}
