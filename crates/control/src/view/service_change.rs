use std::collections::BTreeMap;

use icefield_spec::{Amount, Rules, Service, Unit};

use super::update::{map_update, part_update, value_update};
use crate::count::count;

/// What there is to say of a service that is new.
pub(super) fn new_service(service: &Service) -> String {
    let mut parts = vec![match service.daemon {
        true => "one replica on every node that fits".to_owned(),
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
    let mut parts: Vec<String> = replicas_update(old, new).into_iter().collect();
    let namespace = |service: &Service| service.namespace.as_ref().map_or("none".into(), ToString::to_string);
    parts.extend(value_update("namespace", &namespace(old), &namespace(new)));
    parts.extend(value_update("priority", &old.priority, &new.priority));
    parts.extend(unit_update(&old.unit, &new.unit));
    parts.extend(rules_update(&old.rules, &new.rules));
    parts.extend(part_update("update", &old.update, &new.update));
    parts.extend(part_update("after", &old.after, &new.after));
    parts
}

/// Of a daemon, the number says nothing.
fn replicas_update(old: &Service, new: &Service) -> Option<String> {
    match (old.daemon, new.daemon) {
        (false, false) => value_update("replicas", &old.replicas, &new.replicas),
        (true, true) => None,
        (false, true) => Some(format!("{} → one on every node that fits", count(old.replicas.into(), "replica"))),
        (true, false) => Some(format!("one on every node that fits → {}", count(new.replicas.into(), "replica"))),
    }
}

pub(super) fn unit_update(old: &Unit, new: &Unit) -> Vec<String> {
    let run = match old.run.kind() == new.run.kind() {
        true => part_update("run", &old.run, &new.run),
        false => value_update("run", &old.run.kind(), &new.run.kind()),
    };
    let sizes = [run, value_update("cpu", &old.cpu, &new.cpu), value_update("memory", &old.memory, &new.memory)];
    let mut parts: Vec<String> = sizes.into_iter().flatten().collect();
    parts.extend(resources_update(&old.resources, &new.resources));
    parts.extend(map_update("volume", &old.volumes, &new.volumes));
    parts.extend(map_update("port", &old.ports, &new.ports));
    parts.extend(map_update("env", &old.env, &new.env));
    parts.extend(map_update("env", &old.secret_env, &new.secret_env));
    parts.extend(map_update("file", &old.files, &new.files));
    parts.extend(map_update("secret", &old.secrets, &new.secrets));
    parts.extend(part_update("uses", &old.uses, &new.uses));
    parts.extend(part_update("health", &old.health, &new.health));
    parts.extend(value_update("drain", &old.drain, &new.drain));
    parts.extend(value_update("stop_grace", &old.stop_grace, &new.stop_grace));
    parts
}

fn resources_update(old: &BTreeMap<String, Amount>, new: &BTreeMap<String, Amount>) -> Vec<String> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let amount = |amounts: &BTreeMap<String, Amount>, name| amounts.get(name).map_or("none".into(), Amount::to_string);
    names.into_iter().filter_map(|name| value_update(name, &amount(old, name), &amount(new, name))).collect()
}

pub(super) fn rules_update(old: &Rules, new: &Rules) -> Vec<String> {
    let mut parts = map_update("require", &old.require, &new.require);
    parts.extend(part_update("prefer", &old.prefer, &new.prefer));
    parts.extend(part_update("spread", &old.spread, &new.spread));
    parts.extend(part_update("keep_with", &old.keep_with, &new.keep_with));
    parts.extend(part_update("keep_from", &old.keep_from, &new.keep_from));
    parts.extend(part_update("tolerate", &old.tolerate, &new.tolerate));
    parts.extend(part_update("layout", &old.layout, &new.layout));
    let cost = |rules: &Rules| rules.move_cost.map_or("default".into(), |cost| cost.to_string());
    parts.extend(value_update("move_cost", &cost(old), &cost(new)));
    parts
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Company, Condition, Cpu, Layout, Name, Run, Spread, Volume};

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn service() -> Service {
        let run = Run::Exec { command: vec!["true".into()] };
        Service::new(3, Unit::new(run, Cpu::from_millis(500), Bytes::new(1 << 20)))
    }

    fn told(change: impl FnOnce(&mut Service)) -> [String; 2] {
        let (old, mut new) = (service(), service());
        change(&mut new);
        [update(&old, &new).join(", "), update(&new, &old).join(", ")]
    }

    #[test]
    fn nothing_is_told_of_what_stays() {
        assert_eq!(told(|_| {}), ["", ""]);
    }

    #[test]
    fn what_placement_needs_is_told() {
        let changes = told(|service| {
            service.namespace = Some(name("team-a"));
            service.priority = 10;
            service.unit.resources.insert("gpu".into(), Amount::Count(2));
            service.unit.resources.insert("disk".into(), Amount::Bytes(Bytes::new(1 << 30)));
            service.unit.volumes.insert(name("data"), Volume::default());
            service.rules.require.insert("zone".into(), Condition::one_of(["a"]));
            service.rules.spread.push(Spread::over("zone"));
            service.rules.keep_with.push(Company { service: name("db"), label: Company::same_node() });
            service.rules.keep_from.push(Company { service: name("batch"), label: "zone".into() });
            service.rules.tolerate.push("gpu".into());
            service.rules.layout = Layout::Packed;
            service.rules.move_cost = Some(5);
        });
        insta::assert_snapshot!(changes[0], @"namespace none → team-a, priority 0 → 10, disk none → 1GiB, gpu none → 2, volume data added, require zone added, spread changed, keep_with changed, keep_from changed, tolerate changed, layout changed, move_cost default → 5");
        insta::assert_snapshot!(changes[1], @"namespace team-a → none, priority 10 → 0, disk 1GiB → none, gpu 2 → none, volume data removed, require zone removed, spread changed, keep_with changed, keep_from changed, tolerate changed, layout changed, move_cost 5 → default");
    }

    #[test]
    fn a_daemon_has_no_number() {
        let changes = told(|service| (service.daemon, service.replicas) = (true, 0));
        assert_eq!(changes[0], "3 replicas → one on every node that fits");
        assert_eq!(changes[1], "one on every node that fits → 3 replicas");
    }
}
