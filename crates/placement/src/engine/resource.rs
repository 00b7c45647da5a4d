use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::{Amount, Bytes, Cpu};

use super::id::ResourceId;
use crate::{Demand, Host};

/// An amount of each resource, in the order of [`Resources`].
pub(crate) type Amounts = Box<[i64]>;

/// What nodes have amounts of: CPU, memory, then what is declared, by name.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    names: Vec<String>,
    /// Whether it is counted in bytes.
    bytes: Vec<bool>,
}

impl Resources {
    /// All that `hosts` have and `demands` need.
    pub(crate) fn new<'a>(
        hosts: impl Iterator<Item = &'a Host>,
        demands: impl Iterator<Item = &'a Demand>,
        others: impl Iterator<Item = &'a BTreeMap<String, Amount>>,
    ) -> Self {
        let mut declared: BTreeMap<&str, bool> = BTreeMap::new();
        let amounts = hosts.map(|host| &host.resources).chain(demands.map(|demand| &demand.resources)).chain(others);
        let mut seen: BTreeSet<*const BTreeMap<String, Amount>> = BTreeSet::new();
        for amounts in amounts.filter(|amounts| !amounts.is_empty() && seen.insert(std::ptr::from_ref(*amounts))) {
            for (name, amount) in amounts {
                *declared.entry(name).or_default() |= matches!(amount, Amount::Bytes(_));
            }
        }
        let mut resources = Self { names: vec!["cpu".into(), "memory".into()], bytes: vec![false, true] };
        for (name, bytes) in declared.into_iter().filter(|(name, _)| !["cpu", "memory"].contains(name)) {
            resources.names.push(name.to_owned());
            resources.bytes.push(bytes);
        }
        resources
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ResourceId> + use<> {
        (0..self.names.len()).map(ResourceId::new)
    }

    pub(crate) fn name(&self, resource: ResourceId) -> &str {
        &self.names[resource.at()]
    }

    pub(crate) fn find(&self, name: &str) -> Option<ResourceId> {
        self.names.iter().position(|known| known == name).map(ResourceId::new)
    }

    /// Whether all of `amounts` are known.
    pub(crate) fn know(&self, amounts: &BTreeMap<String, Amount>) -> bool {
        amounts.iter().all(|(name, amount)| {
            self.find(name).is_some_and(|known| matches!(amount, Amount::Count(_)) || self.bytes[known.at()])
        })
    }

    /// So much CPU and memory, and what else there is.
    pub(crate) fn amounts(&self, cpu: Cpu, memory: Bytes, others: &BTreeMap<String, Amount>) -> Amounts {
        let mut amounts = vec![0; self.len()].into_boxed_slice();
        amounts[0] = clamped(cpu.millis());
        amounts[1] = clamped(memory.get());
        for (name, amount) in others {
            if let Some(known) = self.find(name) {
                amounts[known.at()] = clamped(amount.get());
            }
        }
        amounts
    }

    /// `amount` for people, in a form that reads back as that much or slightly less.
    pub(crate) fn at_most(&self, resource: ResourceId, amount: i64) -> String {
        let amount = amount.max(0).unsigned_abs();
        // None is none, whether it is known to be bytes or not.
        if !self.bytes[resource.at()] || amount == 0 {
            return self.pieces(resource, amount);
        }
        let (unit, name) = unit_of(amount);
        tenths(u128::from(amount) * 10 / unit, name)
    }

    /// `amount` for people, in a form that reads back as that much or slightly more.
    pub(crate) fn at_least(&self, resource: ResourceId, amount: i64) -> String {
        let amount = amount.max(0).unsigned_abs();
        if !self.bytes[resource.at()] {
            return self.pieces(resource, amount);
        }
        let (unit, name) = unit_of(amount);
        tenths((u128::from(amount) * 10).div_ceil(unit), name)
    }

    fn pieces(&self, resource: ResourceId, amount: u64) -> String {
        if resource == ResourceId::CPU { Cpu::from_millis(amount).to_string() } else { amount.to_string() }
    }
}

/// The most that one node or replica can have of something; sums of a few stay far within 64 bits.
fn clamped(amount: u64) -> i64 {
    amount.min(Amount::MAX) as i64
}

/// The largest unit that `bytes` holds once.
fn unit_of(bytes: u64) -> (u128, &'static str) {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    units.into_iter().find(|(unit, _)| u128::from(bytes) >= *unit).unwrap_or((1, "B"))
}

fn tenths(tenths: u128, unit: &str) -> String {
    match tenths % 10 {
        0 => format!("{}{unit}", tenths / 10),
        rest => format!("{}.{rest}{unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain() -> Resources {
        Resources::new([].into_iter(), [].into_iter(), [].into_iter())
    }

    #[test]
    fn amounts_are_short() {
        let (memory, cpu) = (ResourceId::MEMORY, ResourceId::CPU);
        assert_eq!(plain().at_most(memory, 1536 << 20), "1.5GiB");
        assert_eq!(plain().at_most(memory, 1_600_000_000), "1.4GiB");
        assert_eq!(plain().at_least(memory, 1_600_000_000), "1.5GiB");
        assert_eq!(plain().at_most(memory, 1023), "1023B");
        assert_eq!(plain().at_most(cpu, 1500), "1500m");
        assert_eq!(plain().at_least(cpu, 2000), "2");
    }

    proptest! {
        #[test]
        fn amounts_read_back_on_the_right_side(bytes in 0..=Bytes::MAX.get()) {
            let read = |text: String| text.parse::<Bytes>().unwrap().get();
            let amount = bytes as i64;
            let below = read(plain().at_most(ResourceId::MEMORY, amount));
            let above = read(plain().at_least(ResourceId::MEMORY, amount));
            prop_assert!(below <= bytes && bytes <= above);
            prop_assert!(above - below <= bytes / 9 + 1);
        }
    }
}
