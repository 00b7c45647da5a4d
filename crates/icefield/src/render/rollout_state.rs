use console::{StyledObject, style};
use icefield_api::RolloutState;

/// How a rollout stands, in one or two words.
pub(super) fn rollout_state(state: RolloutState) -> StyledObject<&'static str> {
    match state {
        RolloutState::Progressing => style("progressing").yellow(),
        RolloutState::Done => style("done").green(),
        RolloutState::Failed => style("failed").red(),
        RolloutState::RollingBack => style("rolling back").yellow(),
        RolloutState::RolledBack => style("rolled back").red(),
        RolloutState::Superseded => style("superseded").dim(),
    }
}
