//! What is tried first is tried first: no other node is asked for a new system before as many as are to try it have proved
//! themselves with it.

use std::collections::BTreeMap;

use icefield_api::{RolloutPhase, RolloutState};
use icefield_control::State;
use icefield_control::state::BaseRecord;
use icefield_spec::{Base, Name, Share, Strategy};

pub(crate) const NAME: &str = "canaries first";

/// Which rollout of each base was seen to be on trial last: when it started.
#[derive(Debug, Default)]
pub(crate) struct Canaries {
    trials: BTreeMap<Name, u64>,
}

impl Canaries {
    /// Looks at a newer state.
    pub(crate) fn check(&mut self, state: &State) -> Result<(), String> {
        let Some(spec) = &state.spec else { return Ok(()) };
        for (name, record) in &state.bases {
            let Some(share) = spec.bases.get(name).and_then(share) else { continue };
            let rollout = &record.rollout;
            if rollout.state != RolloutState::Progressing {
                self.trials.remove(name);
                continue;
            }
            let (asked, proven) = (asked(record), proven(record));
            if matches!(rollout.phase, RolloutPhase::Trial | RolloutPhase::Held) {
                self.trials.insert(name.clone(), rollout.started);
                if asked > share {
                    return Err(format!("of base {name}, {share} were to try it first, and {asked} were asked"));
                }
            } else if self.trials.remove(name) == Some(rollout.started) && proven < share {
                return Err(format!("base {name} went on when {proven} of {share} had proved themselves"));
            }
        }
        Ok(())
    }
}

/// How many nodes are to try a system first. Here it is always a number, and no more than there are.
fn share(base: &Base) -> Option<usize> {
    match base.update().kind {
        Strategy::Canary { share: Share::Count(count), .. } => Some(count as usize),
        _ => None,
    }
}

/// How many nodes were asked for the system in this rollout.
fn asked(record: &BaseRecord) -> usize {
    let of_it = record.nodes.values().filter(|asked| asked.system == record.target);
    of_it.filter(|asked| asked.asked >= record.rollout.started).count()
}

/// How many have proved themselves with it: also one that was asked for it before, if it is gone to once more.
fn proven(record: &BaseRecord) -> usize {
    record.nodes.values().filter(|asked| asked.system == record.target && asked.proven).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::sample::Fleet;

    #[test]
    fn sees_a_second_one_and_one_that_has_not_proved_itself() {
        let (mut fleet, mut canaries) = (Fleet::of(5), Canaries::default());
        assert_eq!(canaries.check(&fleet.state), Ok(()));
        fleet.ask(&[0]);
        assert_eq!(canaries.check(&fleet.state), Ok(()));
        let mut two = Fleet { state: fleet.state.clone() };
        two.ask(&[4]);
        assert!(canaries.check(&two.state).unwrap_err().contains("2 were asked"));
        let std = Name::new("std").unwrap();
        fleet.state.bases.get_mut(&std).unwrap().rollout.phase = RolloutPhase::Rolling;
        assert!(canaries.check(&fleet.state).unwrap_err().contains("0 of 1 had proved themselves"));
        assert_eq!(canaries.check(&fleet.state), Ok(()), "it is told once");
    }
}
