//! How rollouts go on: for each, its next step.

mod blue_green;
mod failure;
mod readiness;
mod rolling;
mod spread;
mod view;
mod waits;

use icefield_api::RolloutPhase;

use super::dependencies::Unmet;
use super::wanted::Wanted;
use crate::observe::Observations;
use crate::state::RolloutStep;
use crate::{Command, State};
use view::View;

pub(crate) use waits::waits_for;

/// The next step of each rollout that can go on.
pub(super) fn due(state: &State, seen: &Observations, wanted: &Wanted, now: u64) -> Vec<Command> {
    let Some(spec) = state.spec.as_deref() else { return Vec::new() };
    let due = spec.services.iter().filter_map(|(name, service)| {
        let record = state.services.get(name)?;
        let step = View::new(state, seen, wanted, name, service, record, now)?.step()?;
        Some(Command::Rollout { at: now, service: name.clone(), to: record.target, seen: Some(state.version), step })
    });
    due.collect()
}

impl View<'_> {
    fn step(&self) -> Option<RolloutStep> {
        let rollout = &self.record.rollout;
        if rollout.paused.is_some() {
            return None;
        }
        if self.record.is_held_back() || rollout.is_under_way() && rollout.phase == RolloutPhase::Waiting {
            return match self.unmet() {
                None => Some(RolloutStep::Begin),
                Some(Unmet::Failed(reason)) => rollout.is_under_way().then_some(RolloutStep::Fail { reason }),
                Some(Unmet::Waits(_)) => None,
            };
        }
        if self.is_through() {
            return Some(RolloutStep::Finish);
        }
        if !rollout.is_under_way() {
            return None;
        }
        if let Some(reason) = self.failure() {
            return Some(RolloutStep::Fail { reason });
        }
        match self.is_blue_green() {
            true => self.blue_green(),
            false => self.rolling(),
        }
    }
}
