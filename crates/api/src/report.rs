use std::collections::BTreeMap;

use icefield_spec::{Name, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PlanBasis;

/// What an apply would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The changes, declarations first, then replicas.
    pub changes: Vec<PlannedChange>,
    /// Where each replica would be: by service, by index, the node.
    pub placement: BTreeMap<Name, BTreeMap<u32, Name>>,
    /// Replicas that would fit nowhere.
    pub unplaced: Vec<UnplacedReplica>,
    /// What it was made from, to be given to an apply; `None` without a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<PlanBasis>,
}

impl PlanReport {
    /// The hash of what is shown of the plan: its changes, and what fits nowhere.
    pub fn hash(&self) -> Revision {
        Revision::of(&(&self.changes, &self.unplaced))
    }
}

/// One thing that an apply would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedChange {
    /// What kind of thing: `cluster`, `base`, `node`, `pool`, `namespace`, `policy`, `service`, `job` or `replica`.
    pub kind: String,
    /// Its name; `web/3` for a replica.
    pub name: String,
    /// What happens to it: `create`, `update` or `delete`; for a replica `place`, `move`, `replace` or `remove`.
    pub action: String,
    /// Why, or what of it changes.
    pub reason: String,
}

/// A replica that would fit nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnplacedReplica {
    /// Its service.
    pub service: Name,
    /// Its index.
    pub index: u32,
    /// Which rule excludes how many nodes.
    pub reasons: Vec<UnplacedReason>,
}

/// One rule that keeps a replica out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnplacedReason {
    /// The rule.
    pub rule: String,
    /// How many nodes it excludes.
    pub nodes: u64,
    /// The smallest change that would help.
    pub fix: String,
}
