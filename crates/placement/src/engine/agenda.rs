use std::collections::BTreeSet;

use super::id::{NodeId, ReplicaKey, ServiceId};

/// What may not be as it should.
#[derive(Debug, Default, Clone)]
pub(crate) struct Agenda {
    /// Nodes on which a rule may be broken.
    pub(crate) nodes: BTreeSet<NodeId>,
    /// Services of which a replica may break a rule.
    pub(crate) services: BTreeSet<ServiceId>,
    /// Replicas that are there, but with another revision or other ports than they should.
    pub(crate) stale: BTreeSet<ReplicaKey>,
    /// Nodes on which two replicas were found with the same port.
    pub(crate) clashes: BTreeSet<NodeId>,
    /// Wanted replicas that are nowhere.
    pub(crate) homeless: BTreeSet<ReplicaKey>,
}
