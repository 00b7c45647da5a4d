use std::collections::BTreeMap;

use super::Found;
use super::standing::Standing;

/// What the replicas of one node need together; wide, so that no sum overflows.
#[derive(Default, Clone)]
struct Use<'a> {
    cpu: u128,
    memory: u128,
    resources: BTreeMap<&'a str, u128>,
}

/// CPU, memory and other resources: no node holds more than it has without its reserve.
pub(super) fn check(standing: &Standing<'_>, found: &mut Found) {
    let mut used = vec![Use::default(); standing.hosts.len()];
    for replica in &standing.replicas {
        let (sum, demand) = (&mut used[replica.host], replica.demand);
        sum.cpu += u128::from(demand.cpu.millis());
        sum.memory += u128::from(demand.memory.get());
        for (resource, amount) in &demand.resources {
            *sum.resources.entry(resource).or_default() += u128::from(amount.get());
        }
    }
    for (host, used) in standing.hosts.iter().zip(&used) {
        let reserve = &host.reserve;
        let mut judge = |what: &str, used: u128, has: u64, kept: u64| {
            let free = u128::from(has.saturating_sub(kept));
            if used > free {
                found.report(|| format!("{what} of {}: {used} used of {free}", host.name));
            }
        };
        judge("cpu", used.cpu, host.cpu.millis(), reserve.cpu.millis());
        judge("memory", used.memory, host.memory.get(), reserve.memory.get());
        for (resource, used) in &used.resources {
            let has = host.resources.get(*resource).map_or(0, |amount| amount.get());
            let kept = reserve.resources.get(*resource).map_or(0, |amount| amount.get());
            judge(resource, *used, has, kept);
        }
    }
}
