use icefield_api::RotationPhase;

use crate::state::TrustStep;
use crate::{Command, State};

/// What takes a rotation of the authority on, once nobody is waited for any more.
pub(super) fn due(state: &State, now: u64) -> Option<Command> {
    let phase: RotationPhase = state.trust.phase?;
    if !state.trust.waits_for().is_empty() || state.trust.spread_until.is_some_and(|until| now < until) {
        return None;
    }
    Some(Command::Trust { at: now, step: TrustStep::Advance { phase, without: Vec::new() } })
}
