use std::collections::BTreeMap;

use super::Check;
use crate::{Amount, Bytes, Cpu, Unit};

/// Sums of resources by name, wide enough for any spec.
#[derive(Default)]
struct Totals<'a>(BTreeMap<&'a str, u128>);

impl<'a> Totals<'a> {
    /// Adds `times` × `amount`; whether it is this that makes the sum more than a signed number of 64 bits holds.
    fn overflows(&mut self, resource: &'a str, amount: u64, times: u64) -> bool {
        const MOST: u128 = i64::MAX as u128;
        let total = self.0.entry(resource).or_default();
        let before = *total;
        *total = total.saturating_add(u128::from(amount) * u128::from(times));
        before <= MOST && *total > MOST
    }
}

/// All that is counted, with the end of its path. What is too large by itself is reported elsewhere.
fn parts(cpu: Cpu, memory: Bytes, resources: &BTreeMap<String, Amount>) -> impl Iterator<Item = (&str, String, u64)> {
    let others = resources
        .iter()
        .map(|(name, amount)| (name.as_str(), format!("resources.{name}"), amount.get().min(Amount::MAX)));
    [("cpu", "cpu".to_owned(), cpu.millis()), ("memory", "memory".to_owned(), memory.get())].into_iter().chain(others)
}

/// The volumes' part of a node's `disk`.
pub(super) fn volumes(unit: &Unit) -> u128 {
    unit.volumes.values().filter_map(|volume| volume.size).map(|size| u128::from(size.get())).sum()
}

impl Check<'_> {
    /// Sums over all nodes and over all replicas must be countable, or nobody could compare them.
    pub(super) fn totals(&mut self) {
        let mut given = Totals::default();
        for (path, count, machine) in self.spec.machines() {
            for (resource, end, amount) in parts(machine.cpu, machine.memory, &machine.resources) {
                if given.overflows(resource, amount, count) {
                    self.report_overflow(format!("{path}.{end}"), "nodes", "have", resource);
                }
            }
        }
        let mut needed = Totals::default();
        for (name, service) in &self.spec.services {
            let path = format!("services.{name}");
            let count = if service.daemon { self.spec.node_count() } else { service.replicas.into() };
            let unit = &service.unit;
            for (resource, end, amount) in parts(unit.cpu, unit.memory, &unit.resources) {
                if needed.overflows(resource, amount, count) {
                    self.report_overflow(format!("{path}.{end}"), "replicas", "need", resource);
                }
            }
            let disk = u64::try_from(volumes(unit)).unwrap_or(u64::MAX);
            if needed.overflows("disk", disk, count) {
                self.report_overflow(format!("{path}.volumes"), "replicas", "need", "disk");
            }
        }
        for (name, job) in &self.spec.jobs {
            for (resource, end, amount) in parts(job.unit.cpu, job.unit.memory, &job.unit.resources) {
                if needed.overflows(resource, amount, 1) {
                    self.report_overflow(format!("jobs.{name}.{end}"), "replicas", "need", resource);
                }
            }
        }
    }

    fn report_overflow(&mut self, path: String, who: &str, verb: &str, resource: &str) {
        let message = format!("all {who} together {verb} more {resource} than can be counted");
        self.report(path, message).help =
            Some("the sum must be below 2^63; surely one of the amounts is too large".into());
    }
}
