use icefield_spec::{Rules, Service, Unit};

use super::update::{map_update, part_update, value_update};
use crate::count::count;

/// What there is to say of a service that is new.
pub(super) fn new_service(service: &Service) -> String {
    let mut parts = vec![match service.daemon {
        true => "a daemon: one replica on every node that it may be on".to_owned(),
        false => count(service.replicas.into(), "replica"),
    }];
    parts.extend(service.namespace.as_ref().map(|namespace| format!("namespace {namespace}")));
    if service.priority != 0 {
        parts.push(format!("priority {}", service.priority));
    }
    parts.join(", ")
}

/// What of a service changes.
pub(super) fn update(old: &Service, new: &Service) -> Vec<String> {
    let number = |service: &Service| match service.daemon {
        true => "a daemon's".to_owned(),
        false => service.replicas.to_string(),
    };
    let namespace = |service: &Service| service.namespace.as_ref().map_or("none".into(), ToString::to_string);
    let mut parts: Vec<String> = [
        value_update("replicas", &number(old), &number(new)),
        value_update("namespace", &namespace(old), &namespace(new)),
        value_update("priority", &old.priority, &new.priority),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.extend(unit_update(&old.unit, &new.unit));
    parts.extend(rules_update(&old.rules, &new.rules));
    parts.extend(part_update("update", &old.update, &new.update));
    parts
}

fn unit_update(old: &Unit, new: &Unit) -> Vec<String> {
    let run = match old.run.kind() == new.run.kind() {
        true => part_update("run", &old.run, &new.run),
        false => value_update("run", &old.run.kind(), &new.run.kind()),
    };
    let sizes = [run, value_update("cpu", &old.cpu, &new.cpu), value_update("memory", &old.memory, &new.memory)];
    let mut parts: Vec<String> = sizes.into_iter().flatten().collect();
    parts.extend(map_update("resource", &old.resources, &new.resources));
    parts.extend(map_update("volume", &old.volumes, &new.volumes));
    parts.extend(map_update("port", &old.ports, &new.ports));
    parts.extend(map_update("env", &old.env, &new.env));
    parts.extend(part_update("uses", &old.uses, &new.uses));
    parts.extend(part_update("health", &old.health, &new.health));
    parts.extend(value_update("stop_grace", &old.stop_grace, &new.stop_grace));
    parts
}

fn rules_update(old: &Rules, new: &Rules) -> Vec<String> {
    let mut parts = map_update("require", &old.require, &new.require);
    parts.extend(part_update("prefer", &old.prefer, &new.prefer));
    parts.extend(part_update("spread", &old.spread, &new.spread));
    parts.extend(part_update("keep_with", &old.keep_with, &new.keep_with));
    parts.extend(part_update("keep_from", &old.keep_from, &new.keep_from));
    parts.extend(part_update("tolerate", &old.tolerate, &new.tolerate));
    parts.extend(part_update("layout", &old.layout, &new.layout));
    parts.extend(part_update("move_cost", &old.move_cost, &new.move_cost));
    parts
}
