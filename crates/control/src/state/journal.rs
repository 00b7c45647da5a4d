use std::collections::VecDeque;

use icefield_placement::ReplicaId;

/// Which replicas the last changes of the placement were of, for those who follow it.
///
/// It is of this process alone: it is not stored, and two states that differ in nothing else are equal.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal {
    /// The state's version at each change, rising.
    changes: VecDeque<(u64, ReplicaId)>,
    /// Every change after this version is in it; `None` if none is.
    since: Option<u64>,
}

/// How many changes are remembered; whoever has missed more is better off with the whole placement.
const KEPT: usize = 10_000;

impl Journal {
    /// Takes note of a change that makes the state's version `version`.
    pub(super) fn add(&mut self, version: u64, replica: ReplicaId) {
        self.since.get_or_insert(version.saturating_sub(1));
        self.changes.push_back((version, replica));
        while self.changes.len() > KEPT {
            self.since = self.changes.pop_front().map(|(version, _)| version);
        }
    }

    /// The replicas that have changed since `version`, some perhaps several times; `None` if that is not known.
    pub(super) fn since(&self, version: u64) -> Option<impl Iterator<Item = &ReplicaId>> {
        if self.since.is_none_or(|since| version < since) {
            return None;
        }
        let start = self.changes.partition_point(|(at, _)| *at <= version);
        Some(self.changes.range(start..).map(|(_, replica)| replica))
    }
}

impl PartialEq for Journal {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sample::replica;

    fn since(journal: &Journal, version: u64) -> Option<Vec<String>> {
        Some(journal.since(version)?.map(ToString::to_string).collect())
    }

    #[test]
    fn tells_what_has_changed_since() {
        let mut journal = Journal::default();
        assert_eq!(since(&journal, 7), None, "who knows what was before");
        journal.add(7, replica("web/0"));
        journal.add(7, replica("web/1"));
        journal.add(9, replica("web/0"));
        assert_eq!(since(&journal, 5), None);
        assert_eq!(since(&journal, 6).unwrap(), ["web/0", "web/1", "web/0"]);
        assert_eq!(since(&journal, 8).unwrap(), ["web/0"]);
        assert_eq!(since(&journal, 9).unwrap(), [""; 0]);
    }

    #[test]
    fn forgets_what_is_long_ago() {
        let mut journal = Journal::default();
        for version in 1..=3 {
            for index in 0..5_000 {
                journal.add(version, icefield_placement::ReplicaId::new(crate::state::sample::name("web"), index));
            }
        }
        assert_eq!(since(&journal, 0), None, "half of that is not known any more");
        assert_eq!(since(&journal, 1).unwrap().len(), 10_000);
    }
}
