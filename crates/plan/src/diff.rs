use icefield_placement::ReplicaId;
use icefield_spec::{Name, StorePath};
use serde::{Deserialize, Serialize};

use crate::NodePlan;

/// What sets one node plan apart from an earlier one of the same node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanDiff {
    /// The base before and after, if it changed.
    pub base: Option<(Option<Name>, Option<Name>)>,
    /// The address before and after, if it changed.
    pub address: Option<(String, String)>,
    /// The system double before and after, if it changed.
    pub system: Option<(String, String)>,
    /// The NixOS system before and after, if it changed.
    #[serde(default)]
    pub nixos: Option<(Option<StorePath>, Option<StorePath>)>,
    /// Replicas that changed, by service and index.
    pub replicas: Vec<(ReplicaId, ReplicaChange)>,
}

/// How one replica of a node changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaChange {
    /// It was not on the node before.
    Added,
    /// It is on the node no more.
    Removed,
    /// It has another revision.
    Revised,
    /// It has the same revision and other ports.
    Rewired,
}

impl PlanDiff {
    /// Whether the two plans ask the same of a node.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The difference from `old` to `new`, two plans of one node.
///
/// Units are compared by revision alone: a revision is the hash of its unit.
pub fn diff(old: &NodePlan, new: &NodePlan) -> PlanDiff {
    let mut replicas = Vec::new();
    for (id, replica) in &new.replicas {
        let change = match old.replicas.get(id) {
            None => ReplicaChange::Added,
            Some(before) if before.revision != replica.revision => ReplicaChange::Revised,
            Some(before) if before.ports != replica.ports => ReplicaChange::Rewired,
            Some(_) => continue,
        };
        replicas.push((id.clone(), change));
    }
    let removed = old.replicas.keys().filter(|id| !new.replicas.contains_key(*id));
    replicas.extend(removed.map(|id| (id.clone(), ReplicaChange::Removed)));
    replicas.sort_by(|a, b| a.0.cmp(&b.0));
    let system = |plan: &NodePlan| plan.nixos.as_ref().map(|planned| planned.path.clone());
    PlanDiff {
        base: (old.base != new.base).then(|| (old.base.clone(), new.base.clone())),
        address: (old.address != new.address).then(|| (old.address.clone(), new.address.clone())),
        system: (old.system != new.system).then(|| (old.system.clone(), new.system.clone())),
        nixos: (system(old) != system(new)).then(|| (system(old), system(new))),
        replicas,
    }
}
