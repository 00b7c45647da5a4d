use std::collections::BTreeMap;

use icefield_spec::{Bytes, Cpu, FleetNode, Name, PortRange};

/// A node as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: Name,
    /// What replicas may use of its processors together.
    pub cpu: Cpu,
    /// What replicas may use of its memory together.
    pub memory: Bytes,
    /// Where its dynamic ports are taken from.
    pub ports: PortRange,
    /// Its labels, the implied ones among them.
    pub labels: BTreeMap<String, String>,
    /// Whether it takes replicas.
    pub acceptance: Acceptance,
}

/// Whether a node takes and keeps replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acceptance {
    /// It keeps what it has and takes new ones.
    Ready,
    /// It keeps what it has and takes no new ones.
    Cordoned,
    /// What it has must leave.
    Draining,
    /// It is not there.
    Lost,
}

impl Host {
    /// A declared node that is there and takes replicas.
    pub fn ready(node: &FleetNode<'_>) -> Self {
        Self {
            name: node.name.clone(),
            cpu: node.machine.cpu,
            memory: node.machine.memory,
            ports: node.machine.ports,
            labels: node.labels(),
            acceptance: Acceptance::Ready,
        }
    }
}
