//! What a client was told to be done stays done, in an order that agrees with real time; what it was told not to be done
//! is not done.

use std::collections::{BTreeMap, BTreeSet};

use icefield_control::State;
use icefield_spec::{Revision, Spec};

use crate::declare::{skeleton, with_versions};

pub(crate) const NAME: &str = "acknowledged writes stay";

/// What clients were told of their writes.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// The specs that were put in force, by the version that this made.
    specs: BTreeMap<u64, Put>,
    /// The skeletons of those that were not.
    refused: BTreeSet<Revision>,
    /// The wishes for nodes and secrets that were carried out: when, by the proposer's clock, and for what.
    wishes: Vec<(u64, String)>,
}

/// A spec that was put in force.
#[derive(Debug)]
struct Put {
    spec: Spec,
    /// Its revision: as it was proposed, or with the versions of secrets that there were when it was put in force.
    revision: Revision,
}

impl Put {
    /// Whether it has this revision, with whatever versions of secrets up to `last`.
    fn is(&mut self, revision: Revision, last: u64) -> bool {
        if self.revision != revision {
            let pairs = (1..=last).flat_map(|one| (1..=last).map(move |other| [one, other]));
            let mut revisions = pairs.map(|pair| with_versions(&self.spec, pair).revision());
            self.revision = revisions.find(|one| *one == revision).unwrap_or(self.revision);
        }
        self.revision == revision
    }
}

impl Acknowledged {
    /// A spec is in force since `version`; `floor` is the newest version that anybody knew of when it was proposed.
    pub(crate) fn spec(&mut self, floor: u64, version: u64, spec: Spec) -> Result<(), String> {
        let revision = spec.revision();
        let before = self.specs.insert(version, Put { spec, revision });
        if before.is_some_and(|before| before.revision != revision) {
            return Err(format!("two specs were put in force by version {version}"));
        }
        in_order(floor, version)
    }

    /// A wish was carried out at `at`; `subject` is what the event says that tells of it.
    pub(crate) fn wish(&mut self, floor: u64, version: u64, at: u64, subject: String) -> Result<(), String> {
        self.wishes.push((at, subject));
        in_order(floor, version)
    }

    /// The spec with this skeleton was refused, so that it will never be in force.
    pub(crate) fn refused(&mut self, skeleton: Revision) {
        self.refused.insert(skeleton);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.specs.len() + self.wishes.len()
    }

    /// Whether `state`, of some server, has all of them that are not newer than it is.
    pub(crate) fn check(&mut self, state: &State) -> Result<(), String> {
        let history: BTreeMap<u64, Revision> =
            state.history.iter().map(|entry| (entry.version, entry.revision)).collect();
        let Some(oldest) = history.keys().next() else { return Ok(()) };
        for (version, put) in self.specs.range_mut(oldest..=&state.version) {
            if !history.get(version).is_some_and(|revision| put.is(*revision, state.secrets.last)) {
                let found = history.get(version).map_or("nothing".to_owned(), Revision::short);
                return Err(format!("spec {} of version {version} is gone: there is {found}", put.revision.short()));
            }
        }
        match &state.spec {
            Some(spec) if self.refused.contains(&skeleton(spec)) => {
                Err(format!("spec {} was refused, and is in force all the same", spec.revision().short()))
            }
            _ => Ok(()),
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
    use std::sync::Arc;

    use icefield_api::HistoryEntry;

    use super::*;
    use crate::declare::Wish;

    fn spec(number: u64) -> Spec {
        let mut wish = Wish::first();
        wish.name_secrets([1, 2]);
        wish.settle(number, 3);
        wish.spec(3)
    }

    fn state(specs: &[(u64, Spec)]) -> State {
        let entry = |(version, spec): &(u64, Spec)| {
            let revision = spec.revision();
            HistoryEntry { version: *version, revision, at: 0, changed: Vec::new(), more_changed: 0 }
        };
        let (version, newest) = specs.last().cloned().unwrap();
        let mut state = State { version, history: specs.iter().map(entry).collect(), ..State::default() };
        (state.spec, Arc::make_mut(&mut state.secrets).last) = (Some(Arc::new(newest)), 3);
        state
    }

    #[test]
    fn sees_a_write_that_is_gone_or_came_too_early() {
        let mut acknowledged = Acknowledged::default();
        acknowledged.spec(1, 2, spec(1)).unwrap();
        acknowledged.spec(2, 5, spec(2)).unwrap();
        assert!(acknowledged.spec(7, 7, spec(3)).is_err());
        assert_eq!(acknowledged.check(&state(&[(2, spec(1)), (5, spec(2))])), Ok(()));
        assert_eq!(acknowledged.check(&state(&[(2, spec(1)), (4, spec(9))])), Ok(()), "the second may still come");
        assert!(acknowledged.check(&state(&[(2, spec(1)), (6, spec(9))])).is_err());
        acknowledged.refused(skeleton(&spec(9)));
        assert!(acknowledged.check(&state(&[(2, spec(1)), (4, spec(9))])).is_err());
    }

    #[test]
    fn which_versions_of_secrets_a_spec_names_is_for_the_servers_to_say() {
        let mut acknowledged = Acknowledged::default();
        acknowledged.spec(1, 2, spec(1)).unwrap();
        assert_eq!(acknowledged.check(&state(&[(2, with_versions(&spec(1), [3, 2]))])), Ok(()));
        assert!(
            acknowledged.check(&state(&[(2, with_versions(&spec(1), [9, 2]))])).is_err(),
            "there is no such version"
        );
    }
}
