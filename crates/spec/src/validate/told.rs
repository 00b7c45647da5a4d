use std::collections::BTreeSet;

use super::Check;
use crate::reach::{host_variable, port_variable};
use crate::{DOMAIN, Name, Port, Unit};

impl Check<'_> {
    /// The variables that tell a unit of the services that it uses, as they will be once the spec is in force.
    pub(super) fn told(&self, unit: &Unit) -> BTreeSet<String> {
        let mut told = BTreeSet::new();
        for (used, service) in unit.uses.iter().filter_map(|used| self.spec.services.get_key_value(used)) {
            let fixed = service.unit.ports.iter().filter(|(_, port)| matches!(port, Port::Fixed(_)));
            told.extend(fixed.map(|(port, _)| port_variable(used, port)));
            told.insert(host_variable(used));
        }
        told.retain(|variable| !unit.env.contains_key(variable) && !unit.secret_env.contains_key(variable));
        told
    }

    /// What to do so that a replica is told `variable`, if that is of a service.
    pub(super) fn how_to_be_told(&self, variable: &str, unit: &Unit) -> Option<String> {
        let add = |service: &Name| format!("add {:?} to uses", service.as_str());
        for (name, service) in &self.spec.services {
            let is_used = unit.uses.contains(name);
            if !is_used && host_variable(name) == variable {
                return Some(add(name));
            }
            let port = service.unit.ports.iter().find(|(port, _)| port_variable(name, port) == variable);
            match port {
                Some((_, Port::Fixed(_))) if !is_used => return Some(add(name)),
                Some((port, Port::Dynamic)) => {
                    let cluster = &self.spec.cluster;
                    return Some(format!(
                        "that port differs from replica to replica: ask DNS for SRV _{port}._tcp.{name}.{cluster}.{DOMAIN}, \
                         or give it a number"
                    ));
                }
                _ => {}
            }
        }
        None
    }
}
