use std::collections::BTreeMap;

use icefield_api::PlannedChange;
use icefield_spec::{Base, Name, Policy, Spec, StorePath};

use super::update::part_update;
use super::{job_change, machine_change, quota_change, service_change};

/// What of the declarations changes from one spec to the next, in the order of a file: the cluster, bases, nodes,
/// pools, namespaces, the policy, services, jobs.
pub(super) fn changes(before: Option<&Spec>, after: &Spec) -> Vec<PlannedChange> {
    let empty = Spec::empty(after.cluster.clone());
    let mut changes = Vec::new();
    match before {
        None => changes.push(change("cluster", &after.cluster, "create", "new cluster".into())),
        Some(before) if before.cluster != after.cluster => {
            let reason = format!("name {} → {}", before.cluster, after.cluster);
            changes.push(change("cluster", &after.cluster, "update", reason));
        }
        Some(_) => {}
    }
    let before = before.unwrap_or(&empty);
    compare(&mut changes, "base", &before.bases, &after.bases, |_| "new base".into(), base_update);
    compare(&mut changes, "node", &before.nodes, &after.nodes, machine_change::new_node, machine_change::node_update);
    compare(&mut changes, "pool", &before.pools, &after.pools, machine_change::new_pool, machine_change::pool_update);
    compare(&mut changes, "namespace", &before.namespaces, &after.namespaces, quota_change::new, quota_change::update);
    if before.policy != after.policy {
        let parts = policy_update(&before.policy, &after.policy);
        changes.push(change("policy", &after.cluster, "update", parts.join(", ")));
    }
    compare(
        &mut changes,
        "service",
        &before.services,
        &after.services,
        service_change::new_service,
        service_change::update,
    );
    compare(&mut changes, "job", &before.jobs, &after.jobs, job_change::new_job, job_change::update);
    changes
}

pub(super) fn change(kind: &str, name: &dyn std::fmt::Display, action: &str, reason: String) -> PlannedChange {
    PlannedChange { kind: kind.into(), name: name.to_string(), action: action.into(), reason }
}

fn compare<T: PartialEq>(
    changes: &mut Vec<PlannedChange>,
    kind: &str,
    before: &BTreeMap<Name, T>,
    after: &BTreeMap<Name, T>,
    created: impl Fn(&T) -> String,
    updated: impl Fn(&T, &T) -> Vec<String>,
) {
    for (name, new) in after {
        match before.get(name) {
            None => changes.push(change(kind, name, "create", created(new))),
            Some(old) if old != new => changes.push(change(kind, name, "update", updated(old, new).join(", "))),
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    changes.extend(gone.map(|name| change(kind, name, "delete", "no longer declared".into())));
}

fn base_update(old: &Base, new: &Base) -> Vec<String> {
    let parts = [
        ("packages", old.packages != new.packages),
        ("time", old.time != new.time),
        ("nixos options", old.nixos != new.nixos),
        ("modules", old.modules != new.modules),
        ("update", old.update != new.update),
        ("health", old.health != new.health),
        ("reboot", old.reboot != new.reboot),
    ];
    let changed = parts.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| format!("{what} changed"));
    let short = |base: &Base| base.system.as_ref().map_or("none".to_owned(), StorePath::short);
    let system = (old.system != new.system).then(|| format!("system {} → {}", short(old), short(new)));
    changed.chain(system).collect()
}

fn policy_update(old: &Policy, new: &Policy) -> Vec<String> {
    let parts = [
        part_update("transient", &old.transient, &new.transient),
        part_update("balance", &old.balance, &new.balance),
        part_update("soft_reserve", &old.soft_reserve, &new.soft_reserve),
    ];
    parts.into_iter().flatten().collect()
}
