use std::collections::BTreeMap;

use icefield_spec::{Amount, Bytes, Cpu, Name, Port, Revision, Rules, Service, Unit};

/// Replicas of one service revision that are to run, all alike.
///
/// While a service is rolled out it has two demands: the indexes still at the old revision and those at the new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The revision.
    pub revision: Revision,
    /// Which replicas, in rising order, none twice.
    pub indexes: Vec<u32>,
    /// Processor time that one replica needs.
    pub cpu: Cpu,
    /// Memory that one replica needs.
    pub memory: Bytes,
    /// What one replica needs of other resources.
    pub resources: BTreeMap<String, Amount>,
    /// The ports that one replica needs.
    pub ports: BTreeMap<Name, Port>,
    /// Where they may and should be.
    pub rules: Rules,
    /// Whether at most one replica of the service may be on a node, whatever the rules say.
    pub one_per_node: bool,
    /// The driver that a node's agent must have, where not all have it.
    pub driver: Option<String>,
    /// Replicas of lower priority give way to these where there is no room for all.
    pub priority: i32,
    /// The namespace whose quota they count for.
    pub namespace: Option<Name>,
    /// Hard: the node that a replica must be on, for those that are tied to one.
    pub ties: BTreeMap<u32, Name>,
    /// Whether they stand beside the service's own replicas for a while: they are spread by themselves, and its own ones as
    /// if these were not there.
    pub beside: bool,
}

/// The driver that a node's agent must have for `unit`, where not all have it: one that runs units of NixOS modules.
pub fn driver_of(unit: &Unit) -> Option<&'static str> {
    unit.run.is_node_wide().then(|| unit.run.kind())
}

impl Demand {
    /// What replicas made of `unit`, whose hash is `revision`, ask for as part of `service`.
    pub fn new(revision: Revision, unit: &Unit, service: &Service, indexes: Vec<u32>) -> Self {
        Self {
            revision,
            indexes,
            cpu: unit.cpu,
            memory: unit.memory,
            resources: unit.resources.clone(),
            ports: unit.ports.clone(),
            rules: service.rules.clone(),
            one_per_node: unit.run.is_node_wide() || service.daemon,
            driver: driver_of(unit).map(str::to_owned),
            priority: service.priority,
            namespace: service.namespace.clone(),
            ties: BTreeMap::new(),
            beside: false,
        }
    }

    /// What `service` asks for in whole, if it is no daemon.
    pub fn whole(service: &Service) -> Self {
        Self::new(service.revision(), &service.unit, service, (0..service.replicas).collect())
    }
}
