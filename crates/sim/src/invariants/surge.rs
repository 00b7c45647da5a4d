//! A rollout has never more replicas beside a service's own than that lets it, and no replica is both.

use icefield_control::State;
use icefield_control::state::Rollout;
use icefield_spec::{Service, Strategy};

pub(crate) const NAME: &str = "no more than surge above";

/// Whether no service of `state` has more replicas than it may.
pub(crate) fn check(state: &State) -> Result<(), String> {
    let Some(spec) = &state.spec else { return Ok(()) };
    for (name, service) in &spec.services {
        let Some(record) = state.services.get(name) else { continue };
        let Rollout { surge, green, retired, .. } = &record.rollout;
        let beside = surge.len() + green.len() + retired.len();
        if beside > most(service) {
            return Err(format!("{name} has {beside} replicas beside its own: {surge:?} {green:?} {retired:?}"));
        }
        if let Some(own) = &record.own {
            if own.len() != service.replicas as usize {
                return Err(format!("{name} has {} replicas of its own, and declares {}", own.len(), service.replicas));
            }
            if let Some(both) = own.iter().find(|index| [surge, green, retired].iter().any(|set| set.contains(index))) {
                return Err(format!("{name}/{both} is one of the service's own, and beside them"));
            }
        }
    }
    Ok(())
}

/// The most that may be beside a service's own. Its number may have been lowered since they came; there are never more than
/// two.
fn most(service: &Service) -> usize {
    match service.update.kind {
        Strategy::BlueGreen { .. } => service.replicas.max(2) as usize,
        Strategy::Rolling | Strategy::Canary { .. } => service.update.max_surge as usize,
    }
}

#[cfg(test)]
mod tests {
    use icefield_control::{Applied, Command};
    use icefield_spec::Name;

    use super::*;
    use crate::declare::Wish;

    #[test]
    fn sees_one_too_many_and_one_that_is_both() {
        let mut state = State::default();
        let spec = Box::new(Wish::first().spec(3));
        assert!(matches!(state.apply(1, Command::Apply { at: 0, spec, expect: None }), Applied::Done(_)));
        assert_eq!(check(&state), Ok(()));
        let web = Name::new("web").unwrap();
        let record = state.services.get_mut(&web).unwrap();
        record.rollout.surge = [5].into();
        record.own = Some([0, 1].into());
        assert_eq!(check(&state), Ok(()));
        state.services.get_mut(&web).unwrap().rollout.green = [6].into();
        assert!(check(&state).unwrap_err().starts_with("web has 2 replicas beside its own"));
        state.services.get_mut(&web).unwrap().rollout.green.clear();
        state.services.get_mut(&web).unwrap().own = Some([0, 5].into());
        assert_eq!(check(&state).unwrap_err(), "web/5 is one of the service's own, and beside them");
    }
}
