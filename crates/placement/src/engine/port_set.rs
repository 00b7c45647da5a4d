use icefield_spec::PortRange;

use super::id::ReplicaKey;

/// The ports in use on one node, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct PortSet {
    range: PortRange,
    /// By port.
    used: Vec<(u16, ReplicaKey)>,
    /// How many ports of the range are free.
    free: u32,
    /// All ports of the range below this one are in use.
    next: u32,
}

impl PortSet {
    pub(crate) fn new(range: PortRange) -> Self {
        Self { range, used: Vec::new(), free: range.count(), next: u32::from(range.first()) }
    }

    /// Who has `port`.
    pub(crate) fn owner(&self, port: u16) -> Option<ReplicaKey> {
        self.find(port).ok().map(|at| self.used[at].1)
    }

    /// How many dynamic ports are left for one who also takes the ports `besides`.
    pub(crate) fn free_besides(&self, besides: &[u16]) -> u32 {
        let taken = besides.iter().filter(|port| self.range.contains(**port) && self.owner(**port).is_none());
        self.free.saturating_sub(taken.count() as u32)
    }

    pub(crate) fn range(&self) -> PortRange {
        self.range
    }

    pub(crate) fn take(&mut self, port: u16, owner: ReplicaKey) {
        if let Err(at) = self.find(port) {
            self.used.insert(at, (port, owner));
            self.free -= u32::from(self.range.contains(port));
        }
    }

    pub(crate) fn release(&mut self, port: u16) {
        if let Ok(at) = self.find(port) {
            self.used.remove(at);
            if self.range.contains(port) {
                self.free += 1;
                self.next = self.next.min(u32::from(port));
            }
        }
    }

    /// Takes the lowest free port of the range.
    pub(crate) fn take_lowest(&mut self, owner: ReplicaKey) -> Option<u16> {
        let mut port = self.next;
        let mut at = self.used.partition_point(|(used, _)| u32::from(*used) < port);
        while self.used.get(at).is_some_and(|(used, _)| u32::from(*used) == port) {
            port += 1;
            at += 1;
        }
        self.next = port;
        let port = u16::try_from(port).ok().filter(|port| self.range.contains(*port))?;
        self.used.insert(at, (port, owner));
        self.free -= 1;
        Some(port)
    }

    fn find(&self, port: u16) -> Result<usize, usize> {
        self.used.binary_search_by_key(&port, |(used, _)| *used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ServiceId;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const OWNER: ReplicaKey = ReplicaKey { service: ServiceId(0), index: 0 };

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(steps in proptest::collection::vec((0..3u8, 95..112u16), 0..60)) {
            let range = PortRange::new(100, 107).unwrap();
            let (mut ports, mut model) = (PortSet::new(range), BTreeSet::new());
            for (step, port) in steps {
                match step {
                    0 => {
                        ports.take(port, OWNER);
                        model.insert(port);
                    }
                    1 => {
                        ports.release(port);
                        model.remove(&port);
                    }
                    _ => {
                        let lowest = (100..=107).find(|port| !model.contains(port));
                        prop_assert_eq!(ports.take_lowest(OWNER), lowest);
                        model.extend(lowest);
                    }
                }
                prop_assert_eq!(ports.owner(port).is_some(), model.contains(&port));
                prop_assert_eq!(ports.free_besides(&[]) as usize, (100..=107).filter(|p| !model.contains(p)).count());
            }
        }
    }

    #[test]
    fn the_highest_port_can_be_taken_once() {
        let mut ports = PortSet::new(PortRange::new(65_535, 65_535).unwrap());
        assert_eq!(ports.take_lowest(OWNER), Some(65_535));
        assert_eq!(ports.take_lowest(OWNER), None);
    }
}
