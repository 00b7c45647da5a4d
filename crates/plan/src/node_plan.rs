use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_placement::ReplicaId;
use icefield_spec::{Health, Millis, Name, Revision, StorePath, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of a node plan's form.
pub const PLAN_SCHEMA: u32 = 1;

/// Everything one node must have. Equal plans have equal JSON and so equal hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// The version of this form; see [`PLAN_SCHEMA`].
    pub schema: u32,
    /// The cluster's name.
    pub cluster: Name,
    /// The node's name, which is also its host name.
    pub node: Name,
    /// The address that its replicas listen on and are reached by: as declared or registered, else the node's name.
    pub address: String,
    /// The Nix system double.
    pub system: String,
    /// The base it is built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Name>,
    /// The NixOS system that it is to run; without it, it keeps the one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nixos: Option<PlannedSystem>,
    /// The unit of each service revision that runs here, once each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<Revision, PlannedUnit>,
    /// The replicas that run here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<ReplicaId, PlannedReplica>,
}

/// A NixOS system that a node is to run, and how it comes to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedSystem {
    /// The system: the built `config.system.build.toplevel`.
    pub path: StorePath,
    /// When the node was told to take it up, in milliseconds since 1970. One that a node has gone back from is tried again
    /// only with a later time.
    pub asked: u64,
    /// Whether the machine is restarted for it, whatever differs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reboot: bool,
    /// Whether the machine may be restarted now, because nothing runs on it that must not be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
    /// How long the node must do well with it before it counts.
    pub healthy_for: Millis,
    /// How long it may take from the switch until then; after that the node goes back by itself.
    pub confirm: Millis,
    /// A command that says whether the node does well, besides what its replicas say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// A unit with the name of its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedUnit {
    /// The service; where services with equal units share the revision, the first of them by name. Whose replica a
    /// replica is, its [`ReplicaId`] says.
    pub service: Name,
    /// What its replicas are.
    pub unit: Arc<Unit>,
}

/// What sets one replica apart from its like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedReplica {
    /// The service revision: a key of [`NodePlan::units`].
    pub revision: Revision,
    /// Its ports by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<Name, u16>,
}

impl NodePlan {
    /// The content hash.
    pub fn hash(&self) -> Revision {
        Revision::of(self)
    }

    /// The unit of `replica`, if it is in the plan.
    pub fn unit(&self, replica: &ReplicaId) -> Option<&PlannedUnit> {
        self.units.get(&self.replicas.get(replica)?.revision)
    }
}
