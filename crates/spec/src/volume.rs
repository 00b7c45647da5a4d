use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Bytes;

/// A folder on a node that belongs to one replica and outlives it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Volume {
    /// How much of the node's resource `disk` it takes; where no node declares `disk`, none is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
}
