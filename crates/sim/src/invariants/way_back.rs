//! A rollback goes to the last revision that all replicas had proved themselves with, and ends with all of them there.

use icefield_api::RolloutState;
use icefield_control::State;

pub(crate) const NAME: &str = "a rollback ends at the last good revision";

/// Whether each rollback of `state` goes, or went, to where it is to.
pub(crate) fn check(state: &State) -> Result<(), String> {
    let Some(spec) = &state.spec else { return Ok(()) };
    for (name, record) in &state.services {
        let rollout = &record.rollout;
        if !matches!(rollout.state, RolloutState::RollingBack | RolloutState::RolledBack) {
            continue;
        }
        let done = record.past.iter().rev().find(|entry| entry.state == RolloutState::Done);
        if done.is_some_and(|done| done.to != record.target) {
            return Err(format!("{name} goes back to {:?}, and the last that was done is {done:?}", record.target));
        }
        let Some(service) = spec.services.get(name) else { continue };
        let own = |index: u32| record.own.as_ref().map_or(index < service.replicas, |own| own.contains(&index));
        let mut placed = state.placed.placement().service(name.as_str()).filter(|(index, _)| own(*index));
        if rollout.state == RolloutState::RolledBack
            && let Some((index, other)) = placed.find(|(_, assignment)| assignment.revision != record.target)
        {
            return Err(format!("{name} is back at {:?}, and {name}/{index} at {:?}", record.target, other.revision));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use icefield_api::RolloutEntry;
    use icefield_control::{Applied, Command};
    use icefield_spec::{Name, Revision};

    use super::*;
    use crate::declare::Wish;

    #[test]
    fn sees_a_way_to_somewhere_else() {
        let mut state = State::default();
        let spec = Box::new(Wish::first().spec(3));
        assert!(matches!(state.apply(1, Command::Apply { at: 0, spec, expect: None }), Applied::Done(_)));
        let record = state.services.get_mut(&Name::new("web").unwrap()).unwrap();
        record.rollout.state = RolloutState::RollingBack;
        let done = |to| RolloutEntry {
            from: None,
            to,
            state: RolloutState::Done,
            message: String::new(),
            started: 0,
            ended: Some(1),
        };
        record.past.push_back(done(record.target));
        assert_eq!(check(&state), Ok(()));
        let record = state.services.get_mut(&Name::new("web").unwrap()).unwrap();
        record.past.push_back(done(Revision::of("another")));
        assert!(check(&state).unwrap_err().starts_with("web goes back to"));
    }
}
