use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Amount, Bytes, Cpu, Name, PortRange, Reserve};

/// Labels that every node has without declaring them: its own name and its pool's.
pub const IMPLIED_LABELS: [&str; 2] = ["node", "pool"];

/// What one machine is and can give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The base it is built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Name>,
    /// The processor time that replicas may use together.
    pub cpu: Cpu,
    /// The memory that replicas may use together.
    pub memory: Bytes,
    /// What else it has that replicas may need: `gpu`, `disk`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, Amount>,
    /// What is kept free of all that.
    #[serde(default, skip_serializing_if = "Reserve::is_empty")]
    pub reserve: Reserve,
    /// Marks that keep away every service that does not tolerate them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taints: BTreeSet<String>,
    /// Where its dynamic ports are taken from.
    #[serde(default)]
    pub ports: PortRange,
    /// Free labels, for rules to speak of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The Nix system double.
    #[serde(default = "default_system")]
    pub system: String,
}

fn default_system() -> String {
    Machine::DEFAULT_SYSTEM.to_owned()
}

impl Machine {
    /// The system of a machine that declares none.
    pub const DEFAULT_SYSTEM: &'static str = "x86_64-linux";

    /// A machine of which no more is known than this.
    pub fn new(cpu: Cpu, memory: Bytes) -> Self {
        Self {
            base: None,
            cpu,
            memory,
            resources: BTreeMap::new(),
            reserve: Reserve::default(),
            taints: BTreeSet::new(),
            ports: PortRange::default(),
            labels: BTreeMap::new(),
            system: default_system(),
        }
    }
}

/// One machine that is declared by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its address or host name, where that is known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it is.
    pub machine: Machine,
}

/// Machines made alike, counted rather than named: `workers` has the nodes `workers-1`, `workers-2`, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// How many.
    pub count: u32,
    /// What each of them is.
    pub machine: Machine,
}

/// A node of the fleet, whether declared by name or as one of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetNode<'a> {
    /// Its name.
    pub name: Name,
    /// Its declared address.
    pub address: Option<&'a str>,
    /// The pool it is of.
    pub pool: Option<&'a Name>,
    /// What it is.
    pub machine: &'a Machine,
}

impl FleetNode<'_> {
    /// Its labels, the implied ones (`node`, `pool`) among them.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.machine.labels.clone();
        labels.insert("node".into(), self.name.to_string());
        if let Some(pool) = self.pool {
            labels.insert("pool".into(), pool.to_string());
        }
        labels
    }
}
