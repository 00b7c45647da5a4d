use icefield_api::{RolloutHistory, RolloutState, RolloutStatus, SCHEMA};
use icefield_spec::Name;

use crate::State;
use crate::observe::Observations;
use crate::reconcile::{Wanted, waits_for};
use crate::state::ServiceRecord;

/// How the rollout of `service` stands; `None` if there is no such service.
pub fn rollout_status(state: &State, seen: &Observations, service: &Name) -> Option<RolloutStatus> {
    Some(status_of(state, seen, &Wanted::new(state), service, state.services.get(service)?))
}

/// The last rollouts of `service`, newest first; `None` if there is no such service.
pub fn rollout_history(state: &State, service: &Name) -> Option<RolloutHistory> {
    let record = state.services.get(service)?;
    let now = std::iter::once(record.rollout.entry(None));
    let rollouts = now.chain(record.past.iter().rev().cloned()).collect();
    Some(RolloutHistory { schema: SCHEMA, service: service.clone(), rollouts, kept: record.ways_back(), stale: None })
}

pub(super) fn status_of(
    state: &State,
    seen: &Observations,
    wanted: &Wanted,
    name: &Name,
    record: &ServiceRecord,
) -> RolloutStatus {
    let rollout = &record.rollout;
    let service = state.spec.as_ref().and_then(|spec| spec.services.get(name));
    let message = match rollout.state {
        RolloutState::Progressing => {
            service.and_then(|service| waits_for(state, seen, wanted, name, service)).unwrap_or_default()
        }
        _ => rollout.message.clone(),
    };
    RolloutStatus {
        from: rollout.from,
        to: rollout.to,
        state: rollout.state,
        message,
        phase: rollout.is_under_way().then_some(rollout.phase),
        paused: rollout.paused.is_some(),
        since: rollout.paused.or(rollout.ended).unwrap_or(rollout.stepped),
        started: rollout.started,
    }
}
