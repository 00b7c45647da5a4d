use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Dependency, Name, Revision, Rules, Unit, Update};

/// Something declared to run, with a number of replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// How many replicas; zero is a service that is switched off. Of a daemon it says nothing.
    #[serde(default)]
    pub replicas: u32,
    /// Whether it runs once on every node that its rules admit, instead of a number of times.
    #[serde(default, skip_serializing_if = "is_false")]
    pub daemon: bool,
    /// The namespace whose quota it counts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// Where there is no room for all, services of lower priority give way. From -1000 to 1000.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// What each replica is.
    pub unit: Unit,
    /// Where replicas may and should be.
    #[serde(default)]
    pub rules: Rules,
    /// How to go from one revision to the next.
    #[serde(default)]
    pub update: Update,
    /// What must be done before it starts, and before each rollout goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Dependency>,
}

impl Service {
    /// The most replicas a service may declare.
    pub const MAX_REPLICAS: u32 = 1_000_000;
    /// The priorities that a service may have.
    pub const PRIORITIES: RangeInclusive<i32> = -1_000..=1_000;

    /// So many replicas of `unit`, and no rules.
    pub fn new(replicas: u32, unit: Unit) -> Self {
        Self {
            replicas,
            daemon: false,
            namespace: None,
            priority: 0,
            unit,
            rules: Rules::default(),
            update: Update::default(),
            after: Vec::new(),
        }
    }

    /// The revision: the hash of its unit.
    pub fn revision(&self) -> Revision {
        self.unit.revision()
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}
