//! What an engine is fed, as a value that can be changed and looked at.

use std::collections::BTreeMap;

use icefield_placement::{Assignment, ChangeKind, Demand, Engine, Host, Objective, Placement, Solution};
use icefield_spec::{Bytes, Cpu, Name, Port, PortRange, Quota, Revision, Rules};

#[derive(Debug, Clone, Default)]
pub(crate) struct Fleet {
    pub(crate) hosts: BTreeMap<Name, Host>,
    pub(crate) services: BTreeMap<Name, Vec<Demand>>,
    pub(crate) placement: Placement,
    pub(crate) quotas: BTreeMap<Name, Quota>,
    pub(crate) objective: Objective,
}

impl Fleet {
    pub(crate) fn engine(&self) -> Engine {
        let mut engine = Engine::new();
        engine.set_placement(&self.placement);
        engine.set_objective(self.objective.clone());
        for (name, quota) in &self.quotas {
            engine.set_quota(name.clone(), Some(quota.clone()));
        }
        for (name, demands) in &self.services {
            engine.set_service(name.clone(), demands.clone());
        }
        for host in self.hosts.values() {
            engine.set_host(host.clone());
        }
        engine
    }

    pub(crate) fn solve(&self) -> Solution {
        self.engine().solve()
    }

    /// The same fleet after `solution` was carried out.
    pub(crate) fn after(&self, solution: &Solution) -> Self {
        let mut after = self.clone();
        for change in &solution.changes {
            let replica = change.replica.clone();
            match &change.kind {
                ChangeKind::Place { to } | ChangeKind::Move { to, .. } | ChangeKind::Replace { to } => {
                    after.placement.insert(replica, to.clone());
                }
                ChangeKind::Remove { .. } => {
                    after.placement.remove(&replica);
                }
            }
        }
        after
    }

    pub(crate) fn add_host(&mut self, host: Host) -> &mut Self {
        self.hosts.insert(host.name.clone(), host);
        self
    }

    pub(crate) fn add_service(&mut self, service: &str, demands: impl Into<Vec<Demand>>) -> &mut Self {
        self.services.insert(name(service), demands.into());
        self
    }

    pub(crate) fn put(&mut self, replica: &str, node: &str, revision: &str, ports: &[(&str, u16)]) -> &mut Self {
        let ports = ports.iter().map(|(port, number)| (name(port), *number)).collect();
        let assignment = Assignment { node: name(node), revision: Revision::of(revision), ports };
        self.placement.insert(replica.parse().unwrap(), assignment);
        self
    }

    pub(crate) fn host(&mut self, node: &str) -> &mut Host {
        self.hosts.get_mut(node).unwrap()
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A ready node with four cores, 8 GiB, ten dynamic ports and some labels.
pub(crate) fn host(node: &str, labels: &[(&str, &str)]) -> Host {
    let implied = [("node", node)];
    let labels = labels.iter().chain(&implied).map(|(label, value)| (label.to_string(), value.to_string()));
    Host {
        ports: PortRange::new(20_000, 20_009).unwrap(),
        labels: labels.collect(),
        ..Host::new(name(node), Cpu::from_millis(4000), Bytes::new(8 << 30))
    }
}

/// Replicas of revision `"one"` with a quarter of a core and 256 MiB, without ports or rules.
pub(crate) fn demand(replicas: u32) -> Demand {
    Demand {
        revision: Revision::of("one"),
        indexes: (0..replicas).collect(),
        cpu: Cpu::from_millis(250),
        memory: Bytes::new(256 << 20),
        resources: BTreeMap::new(),
        ports: BTreeMap::new(),
        rules: Rules::default(),
        one_per_node: false,
        driver: None,
        priority: 0,
        namespace: None,
        ties: BTreeMap::new(),
        beside: false,
    }
}

pub(crate) fn ports(ports: &[(&str, Port)]) -> BTreeMap<Name, Port> {
    ports.iter().map(|(port, kind)| (name(port), *kind)).collect()
}
