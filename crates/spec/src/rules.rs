use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, Name};

/// Where the replicas of a service may and should be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Hard: what the node's labels must be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub require: BTreeMap<String, Condition>,
    /// Soft: nodes with such labels are better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefer: Vec<Prefer>,
    /// Even over the values of a label; with limits, hard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// Hard: each replica has one of these services' near.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep_with: Vec<Company>,
    /// Hard: no replica has one of these services' near, nor the other way about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep_from: Vec<Company>,
    /// The taints of nodes that are no obstacle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerate: Vec<String>,
    /// Whether to level the load over many nodes or to fill few.
    pub layout: Layout,
    /// Soft: what moving one running replica costs, in points; a hundredth of one if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub move_cost: Option<u32>,
}

impl Rules {
    /// The most that moving a replica may cost.
    pub const MAX_MOVE_COST: u32 = 10_000;
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The label whose values are the domains.
    pub label: String,
    /// Hard: at most so many replicas of the service in one domain, and none on a node without the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Hard for new replicas: no domain gets more than so many above the one with the fewest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_skew: Option<u32>,
    /// Hard: the replicas are in at least so many domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_domains: Option<u32>,
    /// Soft: what each replica that is already in a domain costs the next one there, in points. By default 128 for the
    /// first spread of a service, 64 for the second, and so on by halves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

impl Spread {
    /// The most that a weight may be.
    pub const MAX_WEIGHT: u32 = 10_000;

    /// Evenly over the values of `label`.
    pub fn over(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }
}

/// Another service, and how near it is meant to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Company {
    /// The other service; it may be the same one.
    pub service: Name,
    /// Two nodes are near each other if they have the same value of this label: `"node"`, `"zone"`.
    #[serde(default = "Company::same_node")]
    pub label: String,
}

impl Company {
    /// The label of what is on one node.
    pub fn same_node() -> String {
        "node".into()
    }
}

/// How a service's replicas fill nodes where no rule says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Level the load over the nodes.
    #[default]
    Balanced,
    /// Fill nodes one after the other, so that some stay free.
    Packed,
    /// It does not matter.
    Any,
}
