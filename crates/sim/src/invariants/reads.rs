//! Reads are linearizable.
//!
//! A state has a version, and the log gives the versions their order; so a history of reads and writes is linearizable if
//! each read shows a version at least as new as all that was known when it was asked for, and no spec that nobody had
//! proposed by the time of its answer. Which versions of secrets a spec names is not the proposer's alone to say.

use std::collections::BTreeSet;

use icefield_control::State;
use icefield_spec::Revision;

use crate::declare::skeleton;

pub(crate) const NAME: &str = "reads are linearizable";

/// What is known of versions and specs at a moment.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// The newest version that any client has been told of.
    floor: u64,
    proposed: BTreeSet<Revision>,
    count: usize,
}

impl Reads {
    /// The newest version that any client has been told of: what is asked for now must show it.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// How many reads there were.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Somebody proposes a spec, of which this is the skeleton.
    pub(crate) fn propose(&mut self, revision: Revision) {
        self.proposed.insert(revision);
    }

    /// A client is told of a version.
    pub(crate) fn tell(&mut self, version: u64) {
        self.floor = self.floor.max(version);
    }

    /// A client is shown `state`; `floor` is what was known when it asked.
    pub(crate) fn check(&mut self, floor: u64, state: &State) -> Result<(), String> {
        self.count += 1;
        self.tell(state.version);
        if state.version < floor {
            return Err(format!("version {} was read, and version {floor} was known before", state.version));
        }
        match &state.spec {
            Some(spec) if !self.proposed.contains(&skeleton(spec)) => {
                Err(format!("spec {} was read, and nobody has proposed it", spec.revision().short()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::declare::Wish;

    #[test]
    fn sees_a_read_of_the_past_and_one_of_the_future() {
        let spec = |number| {
            let mut wish = Wish::first();
            wish.settle(number, 3);
            wish.spec(3)
        };
        let state = |version| State { version, spec: Some(Arc::new(spec(version))), ..State::default() };
        let mut reads = Reads::default();
        reads.propose(skeleton(&spec(3)));
        reads.propose(skeleton(&spec(4)));
        let early = reads.floor();
        reads.check(early, &state(4)).unwrap();
        reads.check(early, &state(3)).unwrap();
        let late = reads.floor();
        assert!(reads.check(late, &state(3)).is_err());
        assert!(reads.check(late, &state(5)).is_err(), "nobody has proposed it");
    }
}
