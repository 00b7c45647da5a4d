use std::collections::BTreeMap;

use icefield_spec::{Bytes, Cpu, Name, Port, Revision, Rules, Service};

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
    /// The ports that one replica needs.
    pub ports: BTreeMap<Name, Port>,
    /// Where they may and should be.
    pub rules: Rules,
    /// Whether at most one replica of the service may be on a node, whatever the rules say.
    pub one_per_node: bool,
}

impl Demand {
    /// What `service` asks for, for the replicas `indexes`.
    pub fn new(service: &Service, indexes: Vec<u32>) -> Self {
        let unit = &service.unit;
        Self {
            revision: unit.revision(),
            indexes,
            cpu: unit.cpu,
            memory: unit.memory,
            ports: unit.ports.clone(),
            rules: service.rules.clone(),
            one_per_node: unit.run.is_node_wide(),
        }
    }

    /// What `service` asks for in whole.
    pub fn whole(service: &Service) -> Self {
        Self::new(service, (0..service.replicas).collect())
    }
}
