use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Base, FleetNode, Job, Machine, Name, Node, Policy, Pool, Quota, Service};

/// The version of the spec's form that this code reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole declaration of one cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The version of this form; see [`SCHEMA_VERSION`].
    pub schema: u32,
    /// The cluster's name.
    pub cluster: Name,
    /// Bases by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bases: BTreeMap<Name, Base>,
    /// Nodes declared by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<Name, Node>,
    /// Pools by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<Name, Pool>,
    /// Namespaces by name, with the most that their services may need together.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<Name, Quota>,
    /// What holds for the placement of all services.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// Services by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<Name, Service>,
    /// Jobs by name; none has the name of a service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<Name, Job>,
}

impl Spec {
    /// The most nodes a spec may declare.
    pub const MAX_NODES: u64 = 200_000;
    /// The most replicas a spec may declare, over all services.
    pub const MAX_REPLICAS: u64 = 2_000_000;

    /// A spec that declares nothing.
    pub fn empty(cluster: Name) -> Self {
        Self {
            schema: SCHEMA_VERSION,
            cluster,
            bases: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pools: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            policy: Policy::default(),
            services: BTreeMap::new(),
            jobs: BTreeMap::new(),
        }
    }

    /// Every node of the fleet: the named ones by name, then each pool's by number.
    ///
    /// A pool's nodes whose names would be no [`Name`] (a pool with a very long name) are left out;
    /// [`Spec::validate`] reports them.
    pub fn fleet(&self) -> impl Iterator<Item = FleetNode<'_>> {
        let named = self.nodes.iter().map(|(name, node)| FleetNode {
            name: name.clone(),
            address: node.address.as_deref(),
            pool: None,
            machine: &node.machine,
        });
        let pooled = self.pools.iter().flat_map(|(pool_name, pool)| {
            (1..=pool.count).filter_map(move |number| {
                let name = Name::new(&format!("{pool_name}-{number}")).ok()?;
                Some(FleetNode { name, address: None, pool: Some(pool_name), machine: &pool.machine })
            })
        });
        named.chain(pooled)
    }

    /// The node called `name`, whether declared or of a pool.
    pub fn fleet_node(&self, name: &str) -> Option<FleetNode<'_>> {
        if let Some((name, node)) = self.nodes.get_key_value(name) {
            let address = node.address.as_deref();
            return Some(FleetNode { name: name.clone(), address, pool: None, machine: &node.machine });
        }
        let (pool_name, number) = name.rsplit_once('-')?;
        let (pool_name, pool) = self.pools.get_key_value(pool_name)?;
        let parsed: u32 = number.parse().ok()?;
        // "workers-01" is not the name of "workers-1".
        if parsed == 0 || parsed > pool.count || parsed.to_string() != number {
            return None;
        }
        let name = Name::new(name).ok()?;
        Some(FleetNode { name, address: None, pool: Some(pool_name), machine: &pool.machine })
    }

    /// How many nodes the spec declares.
    pub fn node_count(&self) -> u64 {
        self.nodes.len() as u64 + self.pools.values().map(|pool| u64::from(pool.count)).sum::<u64>()
    }

    /// How many replicas the spec declares. Of a daemon that is one for every node, though rules may keep it from some.
    pub fn replica_count(&self) -> u64 {
        let nodes = self.node_count();
        let replicas = |service: &Service| if service.daemon { nodes } else { service.replicas.into() };
        self.services.values().map(replicas).fold(0, u64::saturating_add)
    }

    /// All machines that are declared, each pool's once: the path of each, and how many there are of it.
    pub(crate) fn machines(&self) -> impl Iterator<Item = (String, u64, &Machine)> {
        let named = self.nodes.iter().map(|(name, node)| (format!("nodes.{name}"), 1, &node.machine));
        let pooled = self.pools.iter().map(|(name, pool)| (format!("pools.{name}"), pool.count.into(), &pool.machine));
        named.chain(pooled)
    }
}

/// The JSON Schema of a [`Spec`], for editors and for other programs.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Spec).to_value()
}

fn is_default(policy: &Policy) -> bool {
    *policy == Policy::default()
}
