use std::collections::{BTreeMap, BTreeSet};

use icefield_api::RolloutState;
use icefield_plan::PlannedUnit;
use icefield_spec::Revision;
use serde::{Deserialize, Serialize};

/// What the cluster knows of a service beyond what the spec says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The unit of every revision that is placed, wanted or the last good one.
    pub units: BTreeMap<Revision, PlannedUnit>,
    /// The revision that replicas are to have. It differs from the spec's only after a rollback.
    pub target: Revision,
    /// The last revision that all replicas proved themselves with.
    pub good: Option<Revision>,
    /// The rollout under way, or the last one.
    pub rollout: Rollout,
}

/// The change of a service from one revision to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The revision before; `None` for a new service.
    pub from: Option<Revision>,
    /// The revision after.
    pub to: Revision,
    /// Where it stands.
    pub state: RolloutState,
    /// Why, where there is a reason to tell.
    pub message: String,
    /// The replicas that may have the revision after; the others keep the one they have.
    pub advanced: BTreeSet<u32>,
    /// When it started, in milliseconds since 1970.
    pub started: u64,
    /// When it last went on, in milliseconds since 1970.
    pub stepped: u64,
}
