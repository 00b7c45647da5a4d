use icefield_spec::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was done, by whom, and with what outcome: all of an entry but its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditFacts {
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// Who: `user anna`, `node n1`, `server s1`, `local` where a cluster has no certificates, `nobody`.
    pub who: String,
    /// The address that the request came from.
    pub from: String,
    /// What was asked for: the id of an operation.
    pub operation: String,
    /// What it is about: a path.
    pub subject: String,
    /// The revision of the spec that was put in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// `done`, or why not.
    pub outcome: String,
}

/// One entry of the audit log. Its hash covers the one before, so that none can be changed, left out or put in without all
/// later ones being made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Rises by one with every entry.
    pub number: u64,
    /// What was done.
    #[serde(flatten)]
    pub facts: AuditFacts,
    /// The hash of the entry before; absent in the first one.
    pub before: Option<Revision>,
    /// The hash of all of the above.
    pub hash: Revision,
}

/// A part of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLog {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The entries, oldest first; the cluster keeps the last ten thousand.
    pub entries: Vec<AuditEntry>,
}

/// Where a chain of entries is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditBreak {
    /// An entry is not what it was when it was written.
    #[error("entry {0} was changed: its hash is not that of its content")]
    Changed(u64),
    /// An entry does not follow the one before it.
    #[error("entry {number} does not follow entry {before}: what was between them or before was changed or is missing")]
    Unlinked {
        /// The entry before.
        before: u64,
        /// The entry.
        number: u64,
    },
}

impl AuditEntry {
    /// The entry that follows `last`, or the first one.
    pub fn following(last: Option<&Self>, facts: AuditFacts) -> Self {
        let (number, before) = last.map_or((1, None), |last| (last.number + 1, Some(last.hash)));
        let hash = Self::hash_of(number, &facts, before);
        Self { number, facts, before, hash }
    }

    /// Checks that the entries are as they were written and follow each other; the first one may have any before it that are
    /// no longer kept.
    ///
    /// # Errors
    /// The first place where that is not so.
    pub fn verify<'a>(entries: impl IntoIterator<Item = &'a Self>) -> Result<(), AuditBreak> {
        let mut last: Option<&Self> = None;
        for entry in entries {
            if entry.hash != Self::hash_of(entry.number, &entry.facts, entry.before) {
                return Err(AuditBreak::Changed(entry.number));
            }
            if let Some(last) = last
                && (entry.before != Some(last.hash) || entry.number != last.number + 1)
            {
                return Err(AuditBreak::Unlinked { before: last.number, number: entry.number });
            }
            last = Some(entry);
        }
        Ok(())
    }

    fn hash_of(number: u64, facts: &AuditFacts, before: Option<Revision>) -> Revision {
        Revision::of(&(number, facts, before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(at: u64) -> AuditFacts {
        AuditFacts {
            at,
            who: "user anna".into(),
            from: "10.0.0.9".into(),
            operation: "apply".into(),
            subject: "/v1/apply".into(),
            revision: None,
            outcome: "done".into(),
        }
    }

    fn chain(count: u64) -> Vec<AuditEntry> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for at in 0..count {
            entries.push(AuditEntry::following(entries.last(), facts(at)));
        }
        entries
    }

    #[test]
    fn a_chain_as_written_is_whole_from_wherever_it_is_read() {
        let entries = chain(5);
        assert_eq!(AuditEntry::verify(&entries), Ok(()));
        assert_eq!(AuditEntry::verify(&entries[2..]), Ok(()));
        let text: Vec<String> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
        let read: Vec<AuditEntry> = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, entries);
    }

    #[test]
    fn any_change_is_found_at_its_place() {
        let mut changed = chain(5);
        changed[2].facts.who = "user eve".into();
        assert_eq!(AuditEntry::verify(&changed), Err(AuditBreak::Changed(3)));
        let mut dropped = chain(5);
        dropped.remove(2);
        assert_eq!(AuditEntry::verify(&dropped), Err(AuditBreak::Unlinked { before: 2, number: 4 }));
        let mut swapped = chain(5);
        swapped.swap(1, 2);
        assert_eq!(AuditEntry::verify(&swapped), Err(AuditBreak::Unlinked { before: 1, number: 3 }));
        // Whoever changes one and makes its hash anew is found at the next.
        let mut forged = chain(5);
        let mut other = facts(2);
        other.who = "user eve".into();
        forged[2] = AuditEntry::following(Some(&forged[1].clone()), other);
        assert_eq!(AuditEntry::verify(&forged), Err(AuditBreak::Unlinked { before: 3, number: 4 }));
    }
}
