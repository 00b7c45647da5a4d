use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Amount;

/// What holds for the placement of all services.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Resources that a replica needs on both nodes while it moves from one to the other.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub transient: BTreeSet<String>,
    /// Resources whose proportion on what is left free of a node matters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub balance: Vec<Balance>,
    /// Resources of which replicas may use what a node keeps in reserve, at a cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub soft_reserve: Vec<SoftReserve>,
}

/// Soft: what is free of `resource` on a node is worth little unless enough of `with` is free there too.
///
/// Counted in cores, GiB, or pieces of a resource that is counted: its unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// The resource that is worth little alone: `"cpu"`.
    pub resource: String,
    /// The resource that must go with it: `"memory"`.
    pub with: String,
    /// How much of `with` should be free for each unit of `resource` that is. Of `"cpu"` in thousandths of a core.
    pub amount: Amount,
    /// What each unit of `resource` costs that is free with nothing of `with`, in points.
    pub weight: u32,
}

/// Soft: replicas may use what nodes keep in reserve of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftReserve {
    /// The resource.
    pub resource: String,
    /// What each core, GiB or piece of the reserve costs that is used, in points.
    pub weight: u32,
}

impl Policy {
    /// The most that a weight may be.
    pub const MAX_WEIGHT: u32 = 10_000;
}
