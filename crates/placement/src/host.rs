use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::{Amount, Bytes, Cpu, FleetNode, Name, PortRange, Reserve};

/// A node as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: Name,
    /// What replicas may use of its processors together.
    pub cpu: Cpu,
    /// What replicas may use of its memory together.
    pub memory: Bytes,
    /// What else it has.
    pub resources: BTreeMap<String, Amount>,
    /// What is kept free of all that.
    pub reserve: Reserve,
    /// Where its dynamic ports are taken from.
    pub ports: PortRange,
    /// Its labels, the implied ones among them.
    pub labels: BTreeMap<String, String>,
    /// Marks that keep away what does not tolerate them.
    pub taints: BTreeSet<String>,
    /// What its agent can start replicas with, if that is known.
    pub drivers: Option<BTreeSet<String>>,
    /// Whether it takes replicas.
    pub acceptance: Acceptance,
}

/// Whether a node takes and keeps replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acceptance {
    /// It keeps what it has and takes new ones.
    Ready,
    /// It may be about to get lost: it keeps what it has and takes no new ones until that is clear.
    Suspect,
    /// It keeps what it has and takes no new ones.
    Cordoned,
    /// It is to become empty: it keeps what it has until that is asked to leave, and takes no new ones.
    Emptying,
    /// What it has must leave.
    Draining,
    /// It is not there.
    Lost,
}

impl Host {
    /// A node of this name and size that is there and takes replicas.
    pub fn new(name: Name, cpu: Cpu, memory: Bytes) -> Self {
        Self {
            labels: BTreeMap::from([("node".to_owned(), name.to_string())]),
            name,
            cpu,
            memory,
            resources: BTreeMap::new(),
            reserve: Reserve::default(),
            ports: PortRange::default(),
            taints: BTreeSet::new(),
            drivers: None,
            acceptance: Acceptance::Ready,
        }
    }

    /// Whether its agent can start what needs the driver `kind`, as far as is known.
    pub fn has_driver(&self, kind: &str) -> bool {
        self.drivers.as_ref().is_none_or(|drivers| drivers.contains(kind))
    }

    /// A declared node that is there and takes replicas.
    pub fn ready(node: &FleetNode<'_>) -> Self {
        Self {
            resources: node.machine.resources.clone(),
            reserve: node.machine.reserve.clone(),
            ports: node.machine.ports,
            labels: node.labels(),
            taints: node.machine.taints.clone(),
            ..Self::new(node.name.clone(), node.machine.cpu, node.machine.memory)
        }
    }
}
