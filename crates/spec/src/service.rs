use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Revision, Rules, Unit, Update};

/// Something declared to run, with a number of replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// How many replicas; zero is a service that is switched off.
    pub replicas: u32,
    /// What each replica is.
    pub unit: Unit,
    /// Where replicas may and should be.
    #[serde(default)]
    pub rules: Rules,
    /// How to go from one revision to the next.
    #[serde(default)]
    pub update: Update,
}

impl Service {
    /// The most replicas a service may declare.
    pub const MAX_REPLICAS: u32 = 1_000_000;

    /// The revision: the hash of its unit.
    pub fn revision(&self) -> Revision {
        self.unit.revision()
    }
}
