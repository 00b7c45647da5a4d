use std::collections::BTreeMap;

use icefield_placement::{Demand, Host};
use icefield_spec::{Bytes, Cpu, Name, Quota, Run, Service, Unit};

/// All that an engine is fed before anything runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fleet {
    pub(crate) hosts: BTreeMap<Name, Host>,
    pub(crate) services: BTreeMap<Name, Vec<Demand>>,
    pub(crate) quotas: BTreeMap<Name, Quota>,
}

impl Fleet {
    pub(crate) fn add_host(&mut self, host: Host) {
        self.hosts.insert(host.name.clone(), host);
    }

    pub(crate) fn add_service(&mut self, name: Name, service: &Service) {
        self.services.insert(name, vec![Demand::whole(service)]);
    }

    /// How many replicas are wanted of all services together.
    pub(crate) fn wanted(&self) -> u64 {
        self.services.values().flatten().map(|demand| demand.indexes.len() as u64).sum()
    }
}

/// `node-7`, `service-12`.
pub(crate) fn name(kind: &str, number: u32) -> Name {
    Name::new(&format!("{kind}-{number}")).expect("a short word, a dash and a number are a name")
}

/// Node `number`, in one of three zones in turn.
pub(crate) fn host(number: u32, cpu: u64, memory: u64) -> Host {
    let mut host = Host::new(name("node", number), Cpu::from_millis(cpu), Bytes::new(memory));
    host.labels.insert("zone".into(), zone(number));
    host
}

/// One of the three zones, in turn.
pub(crate) fn zone(number: u32) -> String {
    format!("zone-{}", number % 3)
}

/// So many replicas of a program that is the `number`th service's own.
pub(crate) fn service(number: u32, replicas: u32, cpu: u64, memory: u64) -> Service {
    let run = Run::Exec { command: vec!["serve".into(), number.to_string()] };
    Service::new(replicas, Unit::new(run, Cpu::from_millis(cpu), Bytes::new(memory)))
}
