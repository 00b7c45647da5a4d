use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the replicas of a service may and should be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Hard: the node's label has one of these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub require: BTreeMap<String, Vec<String>>,
    /// Soft: nodes with such labels are better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefer: Vec<Prefer>,
    /// Even over the values of a label; with `max`, hard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// Whether to level the load over many nodes or to fill few.
    pub layout: Layout,
}

/// A soft rule: a node whose `label` is `value` gains `weight`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prefer {
    /// The label.
    pub label: String,
    /// Its value.
    pub value: String,
    /// From -100 to 100; a negative one avoids.
    pub weight: i32,
}

/// Replicas are spread evenly over the values of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The label whose values are the domains.
    pub label: String,
    /// Hard: at most so many replicas of the service in one domain, and none on a node without the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// How a service's replicas fill nodes where no rule says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Level the load over the nodes.
    #[default]
    Balanced,
    /// Fill nodes one after the other, so that some stay free.
    Packed,
}
