use std::collections::BTreeMap;

use icefield_spec::{Bytes, Cpu, Name, Port, Revision, Rules, Service, Unit};

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
    /// What replicas made of `unit`, whose hash is `revision`, ask for under `rules`.
    pub fn new(revision: Revision, unit: &Unit, rules: &Rules, indexes: Vec<u32>) -> Self {
        Self {
            revision,
            indexes,
            cpu: unit.cpu,
            memory: unit.memory,
            ports: unit.ports.clone(),
            rules: rules.clone(),
            one_per_node: unit.run.is_node_wide(),
        }
    }

    /// What `service` asks for in whole.
    pub fn whole(service: &Service) -> Self {
        Self::new(service.revision(), &service.unit, &service.rules, (0..service.replicas).collect())
    }
}
