use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::{Assignment, Placement, ReplicaId};
use icefield_spec::Name;
use serde::{Deserialize, Serialize};

use super::journal::Journal;

/// Where every replica is, why, and what is on each node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Placed {
    placement: Placement,
    decisions: BTreeMap<ReplicaId, Decision>,
    /// Follows from the placement, so it is built anew when the state is read.
    #[serde(skip)]
    by_node: BTreeMap<Name, BTreeSet<ReplicaId>>,
    #[serde(skip)]
    journal: Journal,
}

/// How a replica came to be where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Why it is on its node.
    pub reason: String,
    /// When it was put there, or was last given another revision or other ports; in milliseconds since 1970.
    pub at: u64,
}

#[derive(Deserialize)]
struct Stored {
    placement: Placement,
    decisions: BTreeMap<ReplicaId, Decision>,
}

impl From<Stored> for Placed {
    fn from(stored: Stored) -> Self {
        let mut by_node: BTreeMap<Name, BTreeSet<ReplicaId>> = BTreeMap::new();
        for (replica, assignment) in stored.placement.iter() {
            by_node.entry(assignment.node.clone()).or_default().insert(replica);
        }
        Self { placement: stored.placement, decisions: stored.decisions, by_node, journal: Journal::default() }
    }
}

impl Placed {
    /// Where every replica is.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Where `replica` is.
    pub fn get(&self, replica: &ReplicaId) -> Option<&Assignment> {
        self.placement.get(replica)
    }

    /// How `replica` came to be where it is.
    pub fn decision(&self, replica: &ReplicaId) -> Option<&Decision> {
        self.decisions.get(replica)
    }

    /// The replicas on `node`, by service and index.
    pub fn on_node(&self, node: &str) -> impl Iterator<Item = (&ReplicaId, &Assignment)> {
        let replicas = self.by_node.get(node).into_iter().flatten();
        replicas.filter_map(|replica| Some((replica, self.placement.get(replica)?)))
    }

    /// Whether a replica of `service` is placed.
    pub fn has_service(&self, service: &str) -> bool {
        self.placement.service(service).next().is_some()
    }

    /// The replicas that have changed since the state's version was `version`, some perhaps several times; `None` if
    /// that is not known any more.
    pub(crate) fn changed_since(&self, version: u64) -> Option<impl Iterator<Item = &ReplicaId>> {
        self.journal.since(version)
    }

    /// Puts a replica somewhere, by the change that makes the state's version `version`.
    pub(super) fn put(&mut self, version: u64, replica: ReplicaId, assignment: Assignment, decision: Decision) {
        self.take_away(&replica);
        self.journal.add(version, replica.clone());
        self.by_node.entry(assignment.node.clone()).or_default().insert(replica.clone());
        self.decisions.insert(replica.clone(), decision);
        self.placement.insert(replica, assignment);
    }

    /// Takes a replica away, by the change that makes the state's version `version`.
    pub(super) fn remove(&mut self, version: u64, replica: &ReplicaId) {
        self.journal.add(version, replica.clone());
        self.take_away(replica);
    }

    fn take_away(&mut self, replica: &ReplicaId) {
        let Some(assignment) = self.placement.remove(replica) else { return };
        self.decisions.remove(replica);
        if let Some(replicas) = self.by_node.get_mut(&assignment.node) {
            replicas.remove(replica);
            if replicas.is_empty() {
                self.by_node.remove(&assignment.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sample::{assignment, name, replica};

    fn decision(reason: &str) -> Decision {
        Decision { reason: reason.into(), at: 7 }
    }

    #[test]
    fn follows_a_replica_from_node_to_node() {
        let mut placed = Placed::default();
        placed.put(1, replica("web/0"), assignment("n1", "a"), decision("new replica"));
        placed.put(1, replica("web/0"), assignment("n2", "a"), decision("node n1 is lost"));
        assert_eq!(placed.on_node("n1").count(), 0);
        assert_eq!(placed.on_node("n2").count(), 1);
        assert_eq!(placed.decision(&replica("web/0")).unwrap().reason, "node n1 is lost");
        placed.remove(1, &replica("web/0"));
        assert_eq!(placed, Placed::default());
    }

    #[test]
    fn knows_what_is_on_a_node_after_it_was_read_from_json() {
        let mut placed = Placed::default();
        placed.put(1, replica("web/0"), assignment("n1", "a"), decision("new replica"));
        placed.put(1, replica("web/1"), assignment("n2", "a"), decision("new replica"));
        let text = serde_json::to_string(&placed).unwrap();
        assert!(!text.contains("by_node"));
        assert_eq!(serde_json::from_str::<Placed>(&text).unwrap(), placed);
        assert!(placed.has_service(name("web").as_str()) && !placed.has_service("api"));
    }
}
