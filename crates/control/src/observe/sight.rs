use std::collections::BTreeMap;

use icefield_api::{Heartbeat, ReplicaReport};
use icefield_placement::ReplicaId;

/// What was last heard of one node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sight {
    /// When.
    pub(crate) at: u64,
    /// The generation that its agent has taken up.
    pub(crate) generation: u64,
    /// What its agent has to say of the node.
    pub(crate) message: Option<String>,
    /// Every replica that it has.
    pub(crate) replicas: BTreeMap<ReplicaId, ReplicaReport>,
}

impl Sight {
    pub(crate) fn new(heartbeat: Heartbeat, at: u64) -> Self {
        let replicas = heartbeat.replicas.into_iter().map(|report| (report.replica.clone(), report)).collect();
        Self { at, generation: heartbeat.generation, message: heartbeat.message, replicas }
    }

    /// Whether a reader of the status could tell the two apart. Times pass without anything to see.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        self.generation == other.generation
            && self.message == other.message
            && self.replicas.len() == other.replicas.len()
            && self.replicas.values().zip(other.replicas.values()).all(|(a, b)| {
                a.replica == b.replica
                    && a.revision == b.revision
                    && a.state == b.state
                    && a.pid == b.pid
                    && a.restarts == b.restarts
                    && a.message == b.message
            })
    }
}
