//! How a replica reaches the services that it uses: the variables that tell their names and ports.

use std::collections::BTreeMap;

use crate::{Job, Name, Port, Service, Spec, Unit};

/// The domain below which the services of every cluster are: `web.shop.icefield`.
pub const DOMAIN: &str = "icefield";

/// The ports of services that are the same for all replicas, by service and name.
pub type FixedPorts = BTreeMap<Name, BTreeMap<Name, u16>>;

/// The name of the variable for where `service` is: `order-log` is `ORDER_LOG_HOST`.
pub(crate) fn host_variable(service: &Name) -> String {
    format!("{}_HOST", service.in_capitals())
}

/// The name of the variable for a port of `service`: the port `http` of `db` is `DB_PORT_HTTP`.
pub(crate) fn port_variable(service: &Name, port: &Name) -> String {
    format!("{}_PORT_{}", service.in_capitals(), port.in_capitals())
}

impl Unit {
    /// The variables that tell a replica in `cluster` where the services are that it uses. What its file says of the same
    /// name comes first, and leaves them out.
    pub fn told(&self, cluster: &str) -> BTreeMap<String, String> {
        let mut told = BTreeMap::new();
        for used in &self.uses {
            told.insert(host_variable(used), format!("{used}.{cluster}.{DOMAIN}"));
            let ports = self.used_ports.get(used).into_iter().flatten();
            told.extend(ports.map(|(port, number)| (port_variable(used, port), number.to_string())));
        }
        told.retain(|variable, _| !self.env.contains_key(variable) && !self.secret_env.contains_key(variable));
        told
    }

    /// The names of the variables that tell a replica where the services are that it uses: `DB_HOST`, and for ports that
    /// are the same for all replicas, `DB_PORT_HTTP`.
    pub fn told_variables(&self) -> Vec<String> {
        self.told("").into_keys().collect()
    }
}

impl Spec {
    /// Writes into each unit which ports of the services that it uses are the same for all their replicas. They are a part
    /// of its replicas' environment, so another port is another revision.
    pub fn fill_in_ports(&mut self) {
        let fixed = |service: &Service| {
            let number = |(name, port): (&Name, &Port)| match port {
                Port::Fixed(number) => Some((name.clone(), *number)),
                Port::Dynamic => None,
            };
            service.unit.ports.iter().filter_map(number).collect::<BTreeMap<_, _>>()
        };
        let all: FixedPorts = self.services.iter().map(|(name, service)| (name.clone(), fixed(service))).collect();
        let services = self.services.values_mut().map(|Service { unit, .. }| unit);
        for unit in services.chain(self.jobs.values_mut().map(|Job { unit, .. }| unit)) {
            let used = unit.uses.iter().filter_map(|used| Some((used.clone(), all.get(used)?.clone())));
            unit.used_ports = used.filter(|(_, ports)| !ports.is_empty()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bytes, Cpu, Run};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn unit() -> Unit {
        Unit::new(Run::Exec { command: vec!["serve".into()] }, Cpu::from_millis(1), Bytes::new(1))
    }

    #[test]
    fn what_is_used_is_told_with_its_fixed_ports_unless_the_file_says_another() {
        let mut spec = Spec::empty(name("shop"));
        let mut log = unit();
        log.ports = BTreeMap::from([(name("raft-rpc"), Port::Fixed(7000)), (name("http"), Port::Dynamic)]);
        let mut web = unit();
        web.uses = vec![name("db"), name("order-log")];
        web.env.insert("DB_HOST".into(), "elsewhere".into());
        for (service, unit) in [("db", unit()), ("order-log", log), ("web", web)] {
            spec.services.insert(name(service), Service::new(1, unit));
        }
        let before = spec.services["web"].revision();
        spec.fill_in_ports();
        let web = &spec.services["web"];
        let told = web.unit.told("shop");
        assert_eq!(told["ORDER_LOG_HOST"], "order-log.shop.icefield");
        assert_eq!(told["ORDER_LOG_PORT_RAFT_RPC"], "7000");
        assert_eq!(told.len(), 2, "neither what the file gives nor what differs from replica to replica: {told:?}");
        assert_ne!(web.revision(), before, "another port is another environment");
    }
}
