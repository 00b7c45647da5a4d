//! A base whose nodes go back goes to the last system that all had proved themselves with, and ends with all of them there.

use std::collections::BTreeMap;

use icefield_api::RolloutState;
use icefield_control::State;
use icefield_spec::{Name, Revision};

use crate::system::Standing;

pub(crate) const NAME: &str = "a base goes back to its last good system";

/// When the last rollout of each base that was seen to be over had ended.
#[derive(Debug, Default)]
pub(crate) struct LastGood {
    ended: BTreeMap<Name, u64>,
}

impl LastGood {
    /// Looks at a newer state, and at how nodes stand.
    pub(crate) fn check(&mut self, state: &State, systems: &[(Name, Standing, u64)]) -> Result<(), String> {
        for (name, record) in &state.bases {
            let rollout = &record.rollout;
            let done = record.past.iter().rev().find(|entry| entry.state == RolloutState::Done);
            let goes_back = matches!(rollout.state, RolloutState::RollingBack | RolloutState::RolledBack);
            if goes_back && done.is_some_and(|done| done.to != Revision::of(&record.target)) {
                let target = record.target.short();
                return Err(format!("base {name} goes back to {target}, and the last that was done is {done:?}"));
            }
            let Some(ended) = rollout.ended.filter(|_| rollout.is_over()) else { continue };
            if self.ended.insert(name.clone(), ended) == Some(ended) {
                continue;
            }
            for (node, standing, _) in systems {
                // What was lost in the end is not waited for, and asked once it is back.
                let asked = record.nodes.get(node).filter(|asked| asked.asked <= ended);
                let Some(asked) = asked.filter(|_| state.nodes.get(node).is_some_and(|node| !node.lost)) else {
                    continue;
                };
                let is_there = asked.proven && asked.system == record.target;
                let runs_it = standing.running == record.target || standing.asked != asked.asked;
                if !is_there || !runs_it {
                    let (target, running) = (record.target.short(), standing.running.short());
                    return Err(format!("base {name} has come to {target}, and {node} runs {running}"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::RolloutEntry;

    use super::*;
    use crate::declare::system;
    use crate::invariants::sample::Fleet;

    #[test]
    fn sees_a_way_to_somewhere_else_and_a_node_that_was_left_behind() {
        let mut fleet = Fleet::of(1);
        fleet.ask(&[0]);
        fleet.prove(0);
        let standing =
            |fleet: &Fleet, version| (fleet.node(0), Standing { running: system(version), ..fleet.changing(0) }, 0);
        let record = fleet.state.bases.get_mut(&Name::new("std").unwrap()).unwrap();
        (record.rollout.state, record.rollout.ended) = (RolloutState::RolledBack, Some(1));
        let (to, state) = (Revision::of(&record.target), RolloutState::Done);
        record.past.push_back(RolloutEntry {
            from: None,
            to,
            state,
            message: String::new(),
            started: 0,
            ended: Some(0),
        });
        let check = |fleet: &Fleet, version| LastGood::default().check(&fleet.state, &[standing(fleet, version)]);
        assert_eq!(check(&fleet, "v0"), Ok(()));
        assert!(check(&fleet, "v1").unwrap_err().contains("n1 runs"));
        fleet.state.bases.get_mut(&Name::new("std").unwrap()).unwrap().past[0].to = Revision::of("another");
        assert!(check(&fleet, "v0").unwrap_err().contains("the last that was done"));
    }
}
