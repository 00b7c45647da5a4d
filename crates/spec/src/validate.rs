use std::collections::{BTreeMap, BTreeSet};

use crate::variables::{InvalidReference, references};
use crate::{
    Bytes, Cpu, Health, IMPLIED_LABELS, Machine, Millis, Name, Port, Probe, Problem, Rules, Run, SCHEMA_VERSION,
    Service, Spec, TimeSync, Unit, Update, nearest,
};

impl Spec {
    /// Everything that is wrong with the spec in itself, whatever the fleet's state; in the order of the declarations.
    pub fn validate(&self) -> Vec<Problem> {
        let mut check = Check { spec: self, problems: Vec::new() };
        check.spec();
        check.problems
    }
}

struct Check<'a> {
    spec: &'a Spec,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Problem {
        let at = self.problems.len();
        self.problems.push(Problem::new(path, message));
        &mut self.problems[at]
    }

    fn spec(&mut self) {
        let spec = self.spec;
        if spec.schema != SCHEMA_VERSION {
            self.report(
                "schema",
                format!("this is schema {}, this icefield reads schema {SCHEMA_VERSION}", spec.schema),
            );
        }
        if spec.node_count() > Spec::MAX_NODES {
            let count = spec.node_count();
            self.report("pools", format!("{count} nodes are declared; at most {} may be", Spec::MAX_NODES));
        }
        if spec.replica_count() > Spec::MAX_REPLICAS {
            let count = spec.replica_count();
            self.report("services", format!("{count} replicas are declared; at most {} may be", Spec::MAX_REPLICAS));
        }
        for (name, base) in &spec.bases {
            if let Some(TimeSync::Ntp { servers }) = &base.time
                && servers.is_empty()
            {
                self.report(format!("bases.{name}.time"), "ntp needs at least one server");
            }
            for package in &base.packages {
                if !is_attribute_path(package) {
                    let message = format!("{package:?} is not an attribute path of nixpkgs");
                    self.report(format!("bases.{name}.packages"), message);
                }
            }
            for option in base.nixos.keys() {
                if !is_attribute_path(option) {
                    self.report(format!("bases.{name}.nixos"), format!("{option:?} is not the path of a NixOS option"));
                }
            }
        }
        for (path, machine) in spec.machines() {
            self.machine(&path, machine);
        }
        self.names_of_nodes();
        let labels = declared_labels(spec);
        for (name, service) in &spec.services {
            self.service(name, service, &labels);
        }
    }

    /// A pool's nodes may not be called like a node declared by name.
    fn names_of_nodes(&mut self) {
        for (pool_name, pool) in &self.spec.pools {
            if Name::new(&format!("{pool_name}-{}", pool.count)).is_err() {
                self.report(format!("pools.{pool_name}"), "the name leaves no room for its nodes' numbers");
            }
            for node in self.spec.nodes.keys() {
                let number = node.as_str().strip_prefix(pool_name.as_str()).and_then(|rest| rest.strip_prefix('-'));
                if let Some(number) = number
                    && number.parse::<u32>().is_ok_and(|n| n >= 1 && n <= pool.count && n.to_string() == number)
                {
                    let message = format!("the name is also that of node {number} of pool {pool_name:?}");
                    self.report(format!("nodes.{node}"), message);
                }
            }
        }
    }

    fn machine(&mut self, path: &str, machine: &Machine) {
        if let Some(base) = &machine.base
            && !self.spec.bases.contains_key(base)
        {
            let help = suggestion(base.as_str(), self.spec.bases.keys());
            self.report(format!("{path}.base"), format!("there is no base {:?}", base.as_str())).help = help;
        }
        if machine.cpu == Cpu::default() {
            self.report(format!("{path}.cpu"), "a node needs some CPU to give");
        }
        if machine.memory == Bytes::default() {
            self.report(format!("{path}.memory"), "a node needs some memory to give");
        }
        for (label, value) in &machine.labels {
            if IMPLIED_LABELS.contains(&label.as_str()) {
                self.report(format!("{path}.labels"), format!("every node has the label {label:?} by itself"));
            } else if !is_label(label) || !is_label(value) {
                let message = format!("{label:?} = {value:?} is not a label");
                self.report(format!("{path}.labels"), message).help =
                    Some("key and value are 1 to 63 of letters, digits, '.', '_', '/' and '-'".into());
            }
        }
        let system = &machine.system;
        let well_formed = system.split('-').count() >= 2
            && system.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !well_formed {
            self.report(format!("{path}.system"), format!("{system:?} is not a Nix system, as \"x86_64-linux\" is"));
        }
    }

    fn service(&mut self, name: &Name, service: &Service, labels: &BTreeSet<&str>) {
        let path = format!("services.{name}");
        if service.replicas > Service::MAX_REPLICAS {
            let message = format!("{} replicas; at most {} may be", service.replicas, Service::MAX_REPLICAS);
            self.report(format!("{path}.replicas"), message);
        }
        self.unit(&path, &service.unit);
        self.rules(&path, service, labels);
        let Update::Rolling { max_unavailable, healthy_for, deadline, .. } = &service.update;
        if *max_unavailable == 0 {
            self.report(format!("{path}.update"), "max_unavailable is 0, so nothing could ever be updated");
        }
        if healthy_for >= deadline {
            let message = format!("healthy_for ({healthy_for}) must be shorter than deadline ({deadline})");
            self.report(format!("{path}.update"), message);
        }
    }

    fn unit(&mut self, path: &str, unit: &Unit) {
        self.run(path, unit);
        if unit.memory == Bytes::default() {
            self.report(format!("{path}.memory"), "memory is 0: nothing can run in that");
        }
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
        for (variable, value) in &unit.env {
            let at = format!("{path}.env.{variable}");
            if !is_variable(variable) {
                self.report(&at, format!("{variable:?} is not the name of a variable"));
            } else if variable.starts_with("ICEFIELD_") || given.contains(variable) {
                self.report(&at, format!("{variable} is given by Icefield itself"));
            }
            self.text(&at, value, &given);
        }
        for used in &unit.uses {
            if !self.spec.services.contains_key(used) {
                let help = suggestion(used.as_str(), self.spec.services.keys());
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

    fn run(&mut self, path: &str, unit: &Unit) {
        let at = format!("{path}.run");
        match &unit.run {
            Run::Exec { .. } | Run::Nix { .. } => self.command(&at, unit.run.command(), unit),
            Run::Container { command, .. } if !command.is_empty() => self.command(&at, command, unit),
            Run::Nixos { modules } | Run::Microvm { modules } if modules.is_empty() => {
                self.report(&at, "at least one module is needed");
            }
            _ => {}
        }
        match &unit.run {
            Run::Nix { package, .. } if package.trim().is_empty() => {
                self.report(&at, "the package is empty");
            }
            Run::Container { image, .. } if image.trim().is_empty() || image.contains(char::is_whitespace) => {
                self.report(&at, format!("{image:?} is not the name of an image"));
            }
            _ => {}
        }
    }

    fn command(&mut self, at: &str, command: &[String], unit: &Unit) {
        let Some(program) = command.first() else {
            self.report(at, "the command is empty").help = Some("name the program and its arguments".into());
            return;
        };
        if program.is_empty() {
            self.report(at, "the program's name is empty");
        }
        let mut known: BTreeSet<String> = unit.given_variables().into_iter().collect();
        known.extend(unit.env.keys().cloned());
        for argument in command {
            if argument.contains('\0') {
                self.report(at, "an argument holds a NUL character, which no program can be given");
            }
            self.text(at, argument, &known);
        }
    }

    /// Reports references in `text` that no replica could resolve.
    fn text(&mut self, at: &str, text: &str, known: &BTreeSet<String>) {
        match references(text) {
            Ok(names) => {
                for name in names.into_iter().filter(|name| !known.contains(*name)) {
                    let help = nearest(name, known.iter().map(String::as_str)).map_or_else(
                        || "write \"$$\" for the character itself".to_owned(),
                        |near| format!("did you mean ${near}?"),
                    );
                    self.report(at, InvalidReference::Unknown(name.into()).to_string()).help = Some(help);
                }
            }
            Err(error) => {
                self.report(at, error.to_string());
            }
        }
    }

    fn health(&mut self, path: &str, unit: &Unit, health: &Health) {
        let at = format!("{path}.health");
        if let Some(port) = health.probe.port()
            && !unit.ports.contains_key(port)
        {
            let help = suggestion(port.as_str(), unit.ports.keys());
            self.report(&at, format!("the service has no port {:?}", port.as_str())).help = help;
        }
        match &health.probe {
            Probe::Http { path, .. } if !path.starts_with('/') || path.contains(char::is_whitespace) => {
                self.report(&at, format!("{path:?} is not a path; it starts with \"/\" and holds no white space"));
            }
            Probe::Exec { command } => self.command(&at, command, unit),
            _ => {}
        }
        if health.threshold == 0 {
            self.report(&at, "threshold is 0: it would be unhealthy before it was asked");
        }
        if health.interval < Millis::new(10) {
            self.report(&at, format!("interval {} is too short; at least 10ms", health.interval));
        }
        if health.timeout == Millis::default() {
            self.report(&at, "timeout is 0: no answer could be in time");
        }
    }

    fn rules(&mut self, path: &str, service: &Service, declared: &BTreeSet<&str>) {
        let Rules { require, prefer, spread, .. } = &service.rules;
        let mut used: Vec<(&str, &str)> = Vec::new();
        for (label, condition) in require {
            used.push(("require", label));
            if condition.any_of.as_ref().is_some_and(Vec::is_empty) {
                self.report(
                    format!("{path}.require"),
                    format!("{label:?} may have no value at all, so no node can match"),
                );
            }
        }
        used.extend(prefer.iter().map(|rule| ("prefer", rule.label.as_str())));
        used.extend(spread.iter().map(|rule| ("spread", rule.label.as_str())));
        for rule in prefer {
            if !(-100..=100).contains(&rule.weight) {
                self.report(format!("{path}.prefer"), format!("weight {} is not within -100 to 100", rule.weight));
            }
        }
        for (rule, label) in used {
            if self.spec.node_count() > 0 && !declared.contains(label) {
                let help = nearest(label, declared.iter().copied()).map_or_else(
                    || format!("labels of the declared nodes: {}", list(declared.iter().copied())),
                    |near| format!("did you mean {near:?}?"),
                );
                self.report(format!("{path}.{rule}"), format!("no node has the label {label:?}")).help = Some(help);
            }
        }
        let mut seen = BTreeSet::new();
        for rule in spread {
            if !seen.insert(&rule.label) {
                self.report(format!("{path}.spread"), format!("{:?} is spread over twice", rule.label));
            }
            if rule.max == Some(0) {
                let message = format!("at most 0 replicas for each {:?} leaves none at all", rule.label);
                self.report(format!("{path}.spread"), message);
            }
        }
    }
}

/// The labels that any declared node has.
fn declared_labels(spec: &Spec) -> BTreeSet<&str> {
    let declared = spec.machines().flat_map(|(_, machine)| machine.labels.keys().map(String::as_str));
    declared.chain(IMPLIED_LABELS).collect()
}

fn suggestion<'a>(word: &str, candidates: impl Iterator<Item = &'a Name> + Clone) -> Option<String> {
    match nearest(word, candidates.clone().map(Name::as_str)) {
        Some(near) => Some(format!("did you mean {near:?}?")),
        None if candidates.clone().next().is_some() => Some(format!("known: {}", list(candidates.map(Name::as_str)))),
        None => None,
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let mut words: Vec<&str> = words.collect();
    let more = words.len().saturating_sub(SHOWN);
    words.truncate(SHOWN);
    let shown = words.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
}

fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_attribute_path(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-'".contains(&b));
    text.split('.').all(part)
}
