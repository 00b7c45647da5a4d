use icefield_api::{EventKind, RolloutState};
use icefield_spec::{Name, Revision, Update};

use super::events::Telling;
use super::{Effect, RolloutStep, State};
use crate::count::count;

impl State {
    pub(super) fn rollout(
        &mut self,
        at: u64,
        service: &Name,
        to: Revision,
        step: RolloutStep,
    ) -> Result<Effect, String> {
        let declared = self.spec.as_ref().and_then(|spec| spec.services.get(service));
        let rolls_back = declared.is_some_and(|declared| {
            let Update::Rolling { rollback, .. } = declared.update;
            rollback
        });
        let replicas = match declared {
            Some(declared) if !declared.daemon => declared.replicas as usize,
            _ => self.placed.placement().service(service.as_str()).count(),
        };
        let is_declared = |index: &u32| declared.is_some_and(|declared| declared.daemon || *index < declared.replicas);
        let Some(record) = self.services.get_mut(service) else {
            return Err(format!("there is no service {service}"));
        };
        if record.target != to {
            return Err(format!("{service} goes to {}, not to {}", record.target.short(), to.short()));
        }
        let state = record.rollout.state;
        let over = || Err(format!("the rollout of {service} is over"));
        let message = match step {
            RolloutStep::Advance { indexes } => {
                if !record.rollout.is_under_way() {
                    return over();
                }
                if let Some(index) = indexes.iter().find(|index| !is_declared(index)) {
                    return Err(format!("{service}/{index} is not declared"));
                }
                let before = record.rollout.advanced.len();
                record.rollout.advanced.extend(indexes);
                if record.rollout.advanced.len() == before {
                    return Ok(Effect::Nothing);
                }
                record.rollout.stepped = at;
                return Ok(Effect::Basis);
            }
            RolloutStep::Finish => {
                if matches!(state, RolloutState::Done | RolloutState::RolledBack) {
                    return over();
                }
                record.rollout.advanced.clear();
                let target = record.target.short();
                let replicas = count(replicas as u64, "replica");
                if record.rollout.to == record.target {
                    record.good = Some(record.target);
                    record.rollout.state = RolloutState::Done;
                    record.rollout.message = String::new();
                    format!("rollout done: {replicas} at revision {target}")
                } else {
                    record.rollout.state = RolloutState::RolledBack;
                    format!("rolled back: {replicas} at revision {target} again")
                }
            }
            RolloutStep::Fail { reason } => {
                if !record.rollout.is_under_way() {
                    return over();
                }
                let failed = record.target.short();
                let good = record.good.filter(|good| rolls_back && *good != record.target);
                record.rollout.stepped = at;
                record.rollout.message = match state {
                    RolloutState::RollingBack => format!("{}; going back failed: {reason}", record.rollout.message),
                    _ => reason.clone(),
                };
                match good {
                    Some(good) => {
                        record.target = good;
                        record.rollout.advanced.clear();
                        record.rollout.state = RolloutState::RollingBack;
                        format!("rollout of revision {failed} failed: {reason}; going back to {}", good.short())
                    }
                    None => {
                        record.rollout.state = RolloutState::Failed;
                        format!("rollout of revision {failed} failed: {reason}")
                    }
                }
            }
        };
        let services = [service.clone()].into();
        self.forget_units(&services);
        let mut telling = Telling::new(at);
        telling.tell(EventKind::Rollout, || (format!("service {service}"), message));
        self.release_ties(&services, &mut telling);
        self.tell_all(telling);
        Ok(Effect::Basis)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use icefield_api::RolloutState;
    use icefield_spec::{Spec, Update};

    use crate::state::sample::{Sample, name, revision, spec};
    use crate::state::{Applied, Command, RolloutStep};

    fn web(version: &str) -> Spec {
        spec(&["n1"], &[("web", version, 2)])
    }

    fn under_way() -> Sample {
        let mut sample = Sample::with(&["n1"], &web("a"));
        sample.step("a", RolloutStep::Finish);
        sample.apply(&web("b"));
        sample
    }

    fn fail() -> RolloutStep {
        RolloutStep::Fail { reason: "web/0 crashed".into() }
    }

    fn try_step(sample: &mut Sample, to: &str, step: RolloutStep) -> Applied {
        sample.command(Command::Rollout { at: 50, service: name("web"), to: revision(to), step })
    }

    #[test]
    fn finishing_makes_the_revision_the_good_one() {
        let mut sample = under_way();
        sample.step("b", RolloutStep::Advance { indexes: vec![0, 1] });
        sample.step("b", RolloutStep::Finish);
        let record = &sample.state.services["web"];
        assert_eq!((record.good, record.rollout.state), (Some(revision("b")), RolloutState::Done));
        assert_eq!(record.units.len(), 1, "the revision before is needed no more");
        assert_eq!(sample.last_message(), format!("rollout done: 2 replicas at revision {}", revision("b").short()));
        assert!(matches!(try_step(&mut sample, "b", RolloutStep::Finish), Applied::Refused(_)));
    }

    #[test]
    fn failing_goes_back_to_the_good_revision() {
        let mut sample = under_way();
        sample.step("b", RolloutStep::Advance { indexes: vec![0] });
        sample.step("b", fail());
        let record = &sample.state.services["web"];
        assert_eq!((record.target, record.rollout.state), (revision("a"), RolloutState::RollingBack));
        assert_eq!((record.rollout.to, record.rollout.advanced.len()), (revision("b"), 0));
        assert_eq!(record.rollout.message, "web/0 crashed");
        sample.step("a", RolloutStep::Finish);
        let record = &sample.state.services["web"];
        assert_eq!((record.good, record.rollout.state), (Some(revision("a")), RolloutState::RolledBack));
        assert_eq!(record.rollout.message, "web/0 crashed", "why it went back is worth knowing afterwards");
    }

    #[test]
    fn failing_stays_where_there_is_no_way_back() {
        let mut sample = Sample::with(&["n1"], &web("a"));
        sample.step("a", fail());
        assert_eq!(sample.state.services["web"].rollout.state, RolloutState::Failed);
        sample.step("a", RolloutStep::Finish);
        assert_eq!(sample.state.services["web"].rollout.state, RolloutState::Done, "it came round after all");

        let mut sample = under_way();
        let mut stay = web("c");
        let Update::Rolling { rollback, .. } = &mut stay.services.get_mut("web").unwrap().update;
        *rollback = false;
        sample.apply(&stay);
        sample.step("c", RolloutStep::Advance { indexes: vec![1] });
        sample.step("c", fail());
        let record = &sample.state.services["web"];
        assert_eq!((record.target, record.rollout.state), (revision("c"), RolloutState::Failed));
        assert_eq!(record.wanted(1, Some(revision("a"))), revision("c"));
        assert_eq!(record.wanted(0, Some(revision("a"))), revision("a"));
        assert_eq!(record.wanted(0, None), revision("a"), "nothing new starts at a failed revision");
    }

    #[test]
    fn going_back_can_fail_too_and_then_stays() {
        let mut sample = under_way();
        sample.step("b", fail());
        sample.step("a", RolloutStep::Fail { reason: "web/1 is not healthy".into() });
        let rollout = &sample.state.services["web"].rollout;
        assert_eq!(rollout.state, RolloutState::Failed);
        assert_eq!(rollout.message, "web/0 crashed; going back failed: web/1 is not healthy");
    }

    #[test]
    fn refuses_steps_that_no_longer_fit() {
        let mut sample = under_way();
        assert!(matches!(try_step(&mut sample, "a", fail()), Applied::Refused(_)));
        let beyond = RolloutStep::Advance { indexes: vec![2] };
        assert_eq!(try_step(&mut sample, "b", beyond), Applied::Refused("web/2 is not declared".into()));
        let unknown = Command::Rollout { at: 1, service: name("api"), to: revision("a"), step: fail() };
        assert_eq!(sample.command(unknown), Applied::Refused("there is no service api".into()));
        sample.step("b", RolloutStep::Advance { indexes: vec![1] });
        let again = try_step(&mut sample, "b", RolloutStep::Advance { indexes: vec![1] });
        assert!(matches!(again, Applied::Unchanged(_)));
        assert_eq!(sample.state.services["web"].rollout.advanced, BTreeSet::from([1]));
    }
}
