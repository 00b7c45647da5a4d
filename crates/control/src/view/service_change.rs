use icefield_spec::{Rules, Service, Unit};

use super::update::{map_update, part_update, value_update};

/// What of a service changes.
pub(super) fn update(old: &Service, new: &Service) -> Vec<String> {
    let mut parts: Vec<String> = value_update("replicas", &old.replicas, &new.replicas).into_iter().collect();
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
    parts.extend(part_update("layout", &old.layout, &new.layout));
    parts
}
