use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use super::syntax::is_variable;
use super::wording::suggestion;
use crate::{Bytes, Millis, Name, Port, Unit};

impl Check<'_> {
    pub(super) fn unit(&mut self, path: &str, unit: &Unit) {
        self.run(path, unit);
        if unit.memory == Bytes::default() {
            self.report(format!("{path}.memory"), "memory is 0: nothing can run in that");
        }
        self.needs(&format!("{path}.resources"), &unit.resources);
        self.volumes(path, unit);
        let mut fixed = BTreeMap::new();
        for (port_name, port) in &unit.ports {
            if let Port::Fixed(number) = port {
                if *number == 0 {
                    self.report(format!("{path}.ports.{port_name}"), "0 is not a port");
                } else if let Some(other) = fixed.insert(*number, port_name) {
                    let message = format!("port {number} is also taken by {:?}", other.as_str());
                    self.report(format!("{path}.ports.{port_name}"), message);
                }
            }
        }
        let given: BTreeSet<String> = unit.given_variables().into_iter().collect();
        let told = self.told(unit);
        let known = given.iter().cloned().chain(told.iter().cloned()).collect();
        for (variable, value) in &unit.env {
            let at = format!("{path}.env.{variable}");
            if !is_variable(variable) {
                self.report(&at, format!("{variable:?} is not the name of a variable"));
            } else if variable.starts_with("ICEFIELD_") || given.contains(variable) {
                self.report(&at, format!("{variable} is given by Icefield itself"));
            }
            self.text(&at, value, &known, unit);
        }
        for variable in told.intersection(&given) {
            let message = format!("${variable} is of the service itself, and would be of one that it uses as well");
            self.report(format!("{path}.uses"), message).help = Some("give one of them another name".into());
        }
        self.told_apart(path, unit);
        self.secret_env(path, unit);
        self.files(path, unit);
        for used in &unit.uses {
            if !self.spec.services.contains_key(used) {
                let help = suggestion(used.as_str(), self.spec.services.keys().map(Name::as_str));
                self.report(format!("{path}.uses"), format!("there is no service {:?}", used.as_str())).help = help;
            }
        }
        if let Some(health) = &unit.health {
            self.health(path, unit, health);
        }
        if unit.stop_grace > Millis::new(3_600_000) {
            self.report(format!("{path}.stop_grace"), "more than an hour to stop is surely a mistake");
        }
    }
}
