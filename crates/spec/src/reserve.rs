use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Amount, Bytes, Cpu};

/// What is kept free on a node, of what it has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reserve {
    /// Processor time.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu: Cpu,
    /// Memory.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Bytes,
    /// Other resources.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, Amount>,
}

impl Reserve {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
