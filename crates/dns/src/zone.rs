use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use icefield_plan::Endpoint;
use icefield_spec::Name;

/// How long an answer may be kept, in seconds; also one that says that there is nothing.
pub const TTL: u32 = 1;

/// What is known of a cluster's services: where each of them is reached.
#[derive(Debug, Default)]
pub struct Zone {
    pub(crate) cluster: Option<Name>,
    /// Rises with every change.
    pub(crate) serial: u32,
    services: HashMap<Name, Service>,
    /// The addresses of nodes that are known by a name, as last looked up.
    hosts: HashMap<String, Vec<IpAddr>>,
}

/// One service.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// Its addresses, each once: replicas on one node share one.
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Vec<Ipv6Addr>,
    /// Its replicas, by index.
    pub(crate) replicas: Vec<Replica>,
    /// What it is made from, if a node of it is known by a name.
    named: Vec<Endpoint>,
}

/// One replica that serves.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) index: u32,
    /// None if its node is known by a name that has not been looked up.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ports: Vec<(Name, u16)>,
}

impl Zone {
    /// The zone of a cluster of which nothing is known yet: what is asked of it cannot be answered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of the cluster's name. From then on, services that are not known do not exist.
    pub fn set_cluster(&mut self, cluster: &Name) {
        if self.cluster.as_ref() != Some(cluster) {
            self.cluster = Some(cluster.clone());
            self.serial = self.serial.wrapping_add(1);
        }
    }

    /// Takes note of where a service is reached; it exists even if that is nowhere.
    ///
    /// An endpoint whose address is a name and not an IP address is reached at what [`Self::set_host`] says of that name,
    /// now or later.
    pub fn set(&mut self, service: &Name, endpoints: &[Endpoint]) {
        let mut entry = Service { name: service.to_string(), ..Service::default() };
        for endpoint in endpoints {
            let addresses = match endpoint.address.parse::<IpAddr>() {
                Ok(address) => vec![address],
                Err(_) => {
                    entry.named = endpoints.to_vec();
                    self.hosts.get(&endpoint.address).cloned().unwrap_or_default()
                }
            };
            for address in &addresses {
                match address {
                    IpAddr::V4(address) => entry.v4.push(*address),
                    IpAddr::V6(address) => entry.v6.push(*address),
                }
            }
            let ports = endpoint.ports.iter().map(|(name, port)| (name.clone(), *port)).collect();
            entry.replicas.push(Replica { index: endpoint.index, addresses, ports });
        }
        entry.v4.sort_unstable();
        entry.v4.dedup();
        entry.v6.sort_unstable();
        entry.v6.dedup();
        entry.replicas.sort_unstable_by_key(|replica| replica.index);
        self.services.insert(service.clone(), entry);
        self.serial = self.serial.wrapping_add(1);
    }

    /// Takes note of the addresses of a node that is known by a name; without any, questions about what is there cannot be
    /// answered.
    pub fn set_host(&mut self, host: &str, addresses: Vec<IpAddr>) {
        if self.hosts.get(host).map_or(addresses.is_empty(), |known| *known == addresses) {
            return;
        }
        match addresses.is_empty() {
            true => drop(self.hosts.remove(host)),
            false => drop(self.hosts.insert(host.to_owned(), addresses)),
        }
        let has_it = |service: &Service| service.named.iter().any(|endpoint| endpoint.address == host);
        let affected = self.services.iter().filter(|(_, service)| has_it(service));
        let affected: Vec<_> = affected.map(|(name, service)| (name.clone(), service.named.clone())).collect();
        for (name, endpoints) in affected {
            self.set(&name, &endpoints);
        }
    }

    /// Takes note that a service is gone.
    pub fn remove(&mut self, service: &Name) {
        if self.services.remove(service).is_some() {
            self.serial = self.serial.wrapping_add(1);
        }
    }

    /// Forgets every service that `keep` does not know.
    pub fn retain(&mut self, keep: impl Fn(&Name) -> bool) {
        let before = self.services.len();
        self.services.retain(|service, _| keep(service));
        if self.services.len() != before {
            self.serial = self.serial.wrapping_add(1);
        }
    }

    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }
}

impl Service {
    /// Whether it has replicas, and nobody knows yet where any of them is.
    pub(crate) fn is_unknown(&self) -> bool {
        !self.replicas.is_empty() && self.replicas.iter().all(|replica| replica.addresses.is_empty())
    }

    pub(crate) fn replica(&self, index: u32) -> Option<&Replica> {
        let at = self.replicas.binary_search_by_key(&index, |replica| replica.index).ok()?;
        self.replicas.get(at)
    }

    /// Whether any replica has a port of this name. Without replicas nobody knows, and it is taken to have.
    pub(crate) fn has_port(&self, name: &str) -> bool {
        self.replicas.is_empty() || self.replicas.iter().any(|replica| replica.port(name).is_some())
    }
}

impl Replica {
    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|(own, _)| own.as_str() == name).map(|(_, port)| *port)
    }
}
