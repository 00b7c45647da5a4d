use std::collections::BTreeMap;

use icefield_spec::{Name, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ReplicaId;

/// Where one replica is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    /// The node.
    pub node: Name,
    /// The service revision that the replica is of.
    pub revision: Revision,
    /// Its ports by name, fixed and dynamic.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<Name, u16>,
}

/// Where every placed replica is: by service, then by index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Placement {
    services: BTreeMap<Name, BTreeMap<u32, Assignment>>,
}

impl Placement {
    /// Where `replica` is.
    pub fn get(&self, replica: &ReplicaId) -> Option<&Assignment> {
        self.at(&replica.service, replica.index)
    }

    /// Where replica `index` of `service` is.
    pub fn at(&self, service: &Name, index: u32) -> Option<&Assignment> {
        self.services.get(service)?.get(&index)
    }

    /// Puts `replica` somewhere; gives back where it was.
    pub fn insert(&mut self, replica: ReplicaId, assignment: Assignment) -> Option<Assignment> {
        self.services.entry(replica.service).or_default().insert(replica.index, assignment)
    }

    /// Takes `replica` away; gives back where it was.
    pub fn remove(&mut self, replica: &ReplicaId) -> Option<Assignment> {
        let indexes = self.services.get_mut(&replica.service)?;
        let removed = indexes.remove(&replica.index);
        if indexes.is_empty() {
            self.services.remove(&replica.service);
        }
        removed
    }

    /// The placed replicas of one service, by index.
    pub fn service(&self, name: &str) -> impl Iterator<Item = (u32, &Assignment)> {
        self.services.get(name).into_iter().flatten().map(|(index, assignment)| (*index, assignment))
    }

    /// The services that have a placed replica.
    pub fn services(&self) -> impl Iterator<Item = &Name> {
        self.services.keys()
    }

    /// All placed replicas, by service and index.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, &Assignment)> {
        self.services.iter().flat_map(|(service, indexes)| {
            indexes.iter().map(|(index, assignment)| (ReplicaId::new(service.clone(), *index), assignment))
        })
    }

    /// How many replicas are placed.
    pub fn len(&self) -> usize {
        self.services.values().map(BTreeMap::len).sum()
    }

    /// Whether none is placed.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }
}

impl FromIterator<(ReplicaId, Assignment)> for Placement {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, Assignment)>>(replicas: I) -> Self {
        let mut placement = Self::default();
        for (replica, assignment) in replicas {
            placement.insert(replica, assignment);
        }
        placement
    }
}
