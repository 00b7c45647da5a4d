use std::collections::{BTreeMap, BTreeSet};

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

    /// Reports variables that would tell a unit of two things that it uses: `$A_PORT_B_HOST` is where the service `a-port-b` is,
    /// and which port `b-host` of `a` is.
    pub(super) fn told_apart(&mut self, path: &str, unit: &Unit) {
        let spec = self.spec;
        let mut told: BTreeMap<String, (&Name, Option<&Name>)> = BTreeMap::new();
        for (used, service) in unit.uses.iter().filter_map(|used| spec.services.get_key_value(used)) {
            let fixed = service.unit.ports.iter().filter(|(_, port)| matches!(port, Port::Fixed(_)));
            let ports = fixed.map(|(port, _)| (port_variable(used, port), Some(port)));
            for (variable, port) in [(host_variable(used), None)].into_iter().chain(ports) {
                if unit.env.contains_key(&variable) || unit.secret_env.contains_key(&variable) {
                    continue;
                }
                let Some((other, its_port)) = told.insert(variable.clone(), (used, port)) else { continue };
                // Naming one twice is another mistake.
                if (other, its_port) == (used, port) {
                    continue;
                }
                let message =
                    format!("${variable} would tell {} and {} alike", what(used, port), what(other, its_port));
                let problem = self.report(format!("{path}.uses"), message);
                problem.help = Some(format!("give one of them another name, or {variable} a value of its own in env"));
                problem.other = Some(match its_port {
                    Some(port) => format!("services.{other}.ports.{port}"),
                    None => format!("services.{other}"),
                });
            }
        }
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

/// What a variable tells of a service, in words.
fn what(service: &Name, port: Option<&Name>) -> String {
    match port {
        Some(port) => format!("the port {:?} of {:?}", port.as_str(), service.as_str()),
        None => format!("where {:?} is", service.as_str()),
    }
}
