use std::collections::BTreeMap;

use icefield_placement::Placement;
use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where one replica of a service can be reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The replica's index.
    pub index: u32,
    /// The node it is on.
    pub node: Name,
    /// The node's address.
    pub address: String,
    /// Its ports by name.
    pub ports: BTreeMap<Name, u16>,
}

/// The endpoints of all placed replicas of `service`, by index; `address` gives a node's address.
pub fn endpoints(service: &str, placement: &Placement, address: &dyn Fn(&Name) -> String) -> Vec<Endpoint> {
    let all = placement.service(service).map(|(index, assignment)| Endpoint {
        index,
        node: assignment.node.clone(),
        address: address(&assignment.node),
        ports: assignment.ports.clone(),
    });
    all.collect()
}
