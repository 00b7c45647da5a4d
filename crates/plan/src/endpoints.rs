use std::collections::BTreeMap;

use icefield_placement::Placement;
use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::NodePlan;

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

/// The endpoints of every service that has a replica in `plans`, by index: what [`endpoints`] gives for each, for those
/// who have all plans and no placement.
pub fn endpoints_in(plans: &[NodePlan]) -> BTreeMap<Name, Vec<Endpoint>> {
    let mut all: BTreeMap<Name, Vec<Endpoint>> = BTreeMap::new();
    for plan in plans {
        for (replica, planned) in &plan.replicas {
            let endpoint = Endpoint {
                index: replica.index,
                node: plan.node.clone(),
                address: plan.address.clone(),
                ports: planned.ports.clone(),
            };
            all.entry(replica.service.clone()).or_default().push(endpoint);
        }
    }
    for endpoints in all.values_mut() {
        endpoints.sort_unstable();
    }
    all
}
