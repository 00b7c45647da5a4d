use std::collections::VecDeque;
use std::sync::Arc;

use icefield_api::{AuditEntry, AuditFacts};
use serde::{Deserialize, Serialize};

/// How many entries are kept; each server's file has them all.
const KEPT: usize = 10_000;

/// Who changed what, and who was not let: a chain of entries, the last of which are kept here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    entries: VecDeque<Arc<AuditEntry>>,
}

impl Audit {
    /// Whether nothing was ever written down.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries with a greater number than `number`, oldest first.
    pub fn after(&self, number: u64) -> impl Iterator<Item = &Arc<AuditEntry>> {
        let first = self.entries.front().map_or(1, |entry| entry.number);
        let skip = (number + 1).saturating_sub(first);
        self.entries.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }

    /// The number of the newest entry; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.entries.back().map_or(0, |entry| entry.number)
    }

    /// Writes something down.
    pub(super) fn add(&mut self, facts: AuditFacts) {
        let entry = AuditEntry::following(self.entries.back().map(|last| &**last), facts);
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > KEPT {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_ten_thousand_which_are_a_chain() {
        let mut audit = Audit::default();
        for at in 0..10_500 {
            let [who, from, operation, subject, outcome] =
                ["user anna", "::1", "apply", "/v1/apply", "done"].map(String::from);
            audit.add(AuditFacts { at, who, from, operation, subject, revision: None, outcome });
        }
        let numbers = |after| audit.after(after).map(|entry| entry.number).collect::<Vec<u64>>();
        assert_eq!((numbers(0).len(), numbers(0)[0]), (10_000, 501));
        assert_eq!(numbers(10_498), [10_499, 10_500]);
        assert_eq!(numbers(u64::MAX - 1), [0; 0]);
        assert_eq!(AuditEntry::verify(audit.after(0).map(|entry| &**entry)), Ok(()));
        assert_eq!(audit.last(), 10_500);
    }
}
