use icefield_spec::Quota;

use super::update::{map_update, value_update};

pub(super) fn new(quota: &Quota) -> String {
    let limits = [
        quota.replicas.map(|most| format!("at most {most} replicas")),
        quota.cpu.map(|most| format!("cpu {most}")),
        quota.memory.map(|most| format!("memory {most}")),
    ];
    let others = quota.resources.iter().map(|(resource, most)| format!("{resource} {most}"));
    let limits: Vec<String> = limits.into_iter().flatten().chain(others).collect();
    if limits.is_empty() { "without limits".into() } else { limits.join(", ") }
}

pub(super) fn update(old: &Quota, new: &Quota) -> Vec<String> {
    fn limit<T: ToString>(limit: Option<T>) -> String {
        limit.map_or_else(|| "no limit".into(), |limit| limit.to_string())
    }
    let mut parts: Vec<String> = [
        value_update("replicas", &limit(old.replicas), &limit(new.replicas)),
        value_update("cpu", &limit(old.cpu), &limit(new.cpu)),
        value_update("memory", &limit(old.memory), &limit(new.memory)),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.extend(map_update("resource", &old.resources, &new.resources));
    parts
}
