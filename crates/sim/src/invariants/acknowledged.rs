//! What a client was told to be done stays done, in an order that agrees with real time; what it was told not to be done
//! is not done.

use std::collections::{BTreeMap, BTreeSet};

use icefield_control::State;
use icefield_spec::Revision;

pub(crate) const NAME: &str = "acknowledged writes stay";

/// What clients were told of their writes.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// The specs that were put in force, by the version that this made.
    specs: BTreeMap<u64, Revision>,
    refused: BTreeSet<Revision>,
    /// The wishes for nodes that were carried out: when, by the proposer's clock, and for which node.
    wishes: Vec<(u64, String)>,
}

impl Acknowledged {
    /// A spec is in force since `version`; `floor` is the newest version that anybody knew of when it was proposed.
    pub(crate) fn spec(&mut self, floor: u64, version: u64, revision: Revision) -> Result<(), String> {
        let before = self.specs.insert(version, revision);
        if before.is_some_and(|before| before != revision) {
            return Err(format!("two specs were put in force by version {version}"));
        }
        in_order(floor, version)
    }

    /// A wish for a node was carried out at `at`.
    pub(crate) fn wish(&mut self, floor: u64, version: u64, at: u64, node: &str) -> Result<(), String> {
        self.wishes.push((at, format!("node {node}")));
        in_order(floor, version)
    }

    /// A spec was refused, so that it will never be in force.
    pub(crate) fn refused(&mut self, revision: Revision) {
        self.refused.insert(revision);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.specs.len() + self.wishes.len()
    }

    /// Whether `state`, of some server, has all of them that are not newer than it is.
    pub(crate) fn check(&self, state: &State) -> Result<(), String> {
        let history: BTreeMap<u64, Revision> =
            state.history.iter().map(|entry| (entry.version, entry.revision)).collect();
        let Some(oldest) = history.keys().next() else { return Ok(()) };
        for (version, revision) in self.specs.range(oldest..=&state.version) {
            if history.get(version) != Some(revision) {
                let found = history.get(version).map_or("nothing".to_owned(), Revision::short);
                return Err(format!("spec {} of version {version} is gone: there is {found}", revision.short()));
            }
        }
        match history.values().find(|revision| self.refused.contains(revision)) {
            Some(revision) => Err(format!("spec {} was refused, and is in force all the same", revision.short())),
            None => Ok(()),
        }
    }

    /// Whether the events of `state`, the last of all, tell of all wishes. Of the oldest, too many others may have
    /// followed.
    pub(crate) fn check_wishes(&self, state: &State) -> Result<(), String> {
        if state.events.front().is_none_or(|event| event.number > 1) {
            return Ok(());
        }
        let told: BTreeSet<(u64, &str)> = state.events.iter().map(|event| (event.at, event.subject.as_str())).collect();
        match self.wishes.iter().find(|(at, node)| !told.contains(&(*at, node.as_str()))) {
            Some((at, node)) => Err(format!("the wish of {at} for {node} is gone")),
            None => Ok(()),
        }
    }
}

fn in_order(floor: u64, version: u64) -> Result<(), String> {
    if version > floor {
        return Ok(());
    }
    Err(format!("a write became version {version}, and version {floor} was known before it was proposed"))
}

#[cfg(test)]
mod tests {
    use icefield_api::HistoryEntry;

    use super::*;

    fn state(specs: &[(u64, &str)]) -> State {
        let entry = |(version, text): &(u64, &str)| {
            let revision = Revision::of(text);
            HistoryEntry { version: *version, revision, at: 0, changed: Vec::new(), more_changed: 0 }
        };
        let version = specs.last().map_or(0, |(version, _)| *version);
        State { version, history: specs.iter().map(entry).collect(), ..State::default() }
    }

    #[test]
    fn sees_a_write_that_is_gone_or_came_too_early() {
        let mut acknowledged = Acknowledged::default();
        acknowledged.spec(1, 2, Revision::of("a")).unwrap();
        acknowledged.spec(2, 5, Revision::of("b")).unwrap();
        assert!(acknowledged.spec(7, 7, Revision::of("c")).is_err());
        assert_eq!(acknowledged.check(&state(&[(2, "a"), (5, "b")])), Ok(()));
        assert_eq!(acknowledged.check(&state(&[(2, "a"), (4, "x")])), Ok(()), "the second may still come");
        assert!(acknowledged.check(&state(&[(2, "a"), (6, "x")])).is_err());
        acknowledged.refused(Revision::of("x"));
        assert!(acknowledged.check(&state(&[(2, "a"), (4, "x")])).is_err());
    }
}
