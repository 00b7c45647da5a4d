use std::collections::BTreeMap;

use icefield_spec::Name;

use super::standing::Standing;
use super::{Case, Found};

/// What a namespace's placed replicas need together.
#[derive(Default)]
struct Need<'a> {
    replicas: u128,
    cpu: u128,
    memory: u128,
    resources: BTreeMap<&'a str, u128>,
}

/// No namespace uses more than its quota.
pub(super) fn check(case: &Case<'_>, standing: &Standing<'_>, found: &mut Found) {
    let mut needs: BTreeMap<&Name, Need<'_>> = BTreeMap::new();
    for demand in standing.replicas.iter().map(|replica| replica.demand) {
        let Some(namespace) = &demand.namespace else { continue };
        let need = needs.entry(namespace).or_default();
        need.replicas += 1;
        need.cpu += u128::from(demand.cpu.millis());
        need.memory += u128::from(demand.memory.get());
        for (resource, amount) in &demand.resources {
            *need.resources.entry(resource).or_default() += u128::from(amount.get());
        }
    }
    for (namespace, need) in &needs {
        let Some(quota) = case.quotas.get(*namespace) else { continue };
        let mut judge = |what: &str, used: u128, most: Option<u64>| {
            if most.is_some_and(|most| used > u128::from(most)) {
                found.report(|| format!("{what} of namespace {namespace}: {used} used, more than its quota"));
            }
        };
        judge("replicas", need.replicas, quota.replicas.map(u64::from));
        judge("cpu", need.cpu, quota.cpu.map(|cpu| cpu.millis()));
        judge("memory", need.memory, quota.memory.map(|memory| memory.get()));
        for (resource, most) in &quota.resources {
            let used = need.resources.get(resource.as_str()).copied().unwrap_or(0);
            judge(resource, used, Some(most.get()));
        }
    }
}
