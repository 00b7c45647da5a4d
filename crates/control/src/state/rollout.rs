use std::collections::{BTreeMap, BTreeSet};

use icefield_api::{EventKind, RolloutPhase, RolloutState};
use icefield_placement::Placement;
use icefield_spec::{Name, Revision, Service, Strategy, Wait};

use super::events::Telling;
use super::service_record::begun_phase;
use super::{Effect, Rollout, RolloutStep, ServiceRecord, State};
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
        let replicas = match declared {
            Some(declared) if !declared.daemon => declared.replicas as usize,
            _ => self.placed.placement().service(service.as_str()).count(),
        };
        let placed = revisions(self.placed.placement(), service);
        let Some(record) = self.services.get_mut(service) else {
            return Err(format!("there is no service {service}"));
        };
        if record.target != to {
            return Err(format!("{service} goes to {}, not to {}", record.target.short(), to.short()));
        }
        // What never began may begin after all, though it was given up.
        let may_begin = step == RolloutStep::Begin && record.is_held_back();
        if step != RolloutStep::Finish && !record.rollout.is_under_way() && !may_begin {
            return Err(format!("the rollout of {service} is over"));
        }
        let message = match step {
            RolloutStep::Begin => begin(record, declared, at)?,
            RolloutStep::Advance { indexes } => return advance(record, declared, service, &indexes, at),
            RolloutStep::Add { indexes, hidden } => return add(record, declared, service, &indexes, hidden, at),
            RolloutStep::Drop { indexes } => {
                drop_beside(&mut record.rollout, &indexes)?;
                return Ok(Effect::Basis);
            }
            RolloutStep::Hold => hold(record, declared, at)?,
            RolloutStep::Proceed => {
                record.rollout.turn(RolloutPhase::Rolling, at);
                "rollout goes on: what was tried does well".into()
            }
            RolloutStep::Switch => switch(record, declared, at)?,
            RolloutStep::Finish => finish(record, service, replicas as u64, at)?,
            RolloutStep::Fail { reason } => fail(record, declared, &placed, &reason, at),
        };
        let services = [service.clone()].into();
        self.forget_units(&services);
        let mut telling = Telling::new(at);
        telling.tell(EventKind::Rollout, || (format!("service {service}"), message));
        self.release_ties(&services, &mut telling);
        self.tell_all(telling);
        Ok(Effect::Basis)
    }

    /// Refuses a step that was decided before what the service declares, or its rollout, was changed.
    pub(super) fn check_rollout_basis(&self, service: &Name, seen: Option<u64>) -> Result<(), String> {
        let basis = self.services.get(service).map_or(0, |record| record.basis);
        check_step(service, basis, seen)
    }
}

/// Refuses a step of `what` that was decided before what it depends on was changed, at version `basis`.
pub(super) fn check_step(what: &Name, basis: u64, seen: Option<u64>) -> Result<(), String> {
    match seen {
        Some(seen) if seen < basis => Err(format!(
            "the step of {what} was decided from version {seen}, and at version {basis} something changed that it depends on; \
             decide again"
        )),
        _ => Ok(()),
    }
}

fn begin(record: &mut ServiceRecord, declared: Option<&Service>, at: u64) -> Result<String, String> {
    if record.rollout.phase != RolloutPhase::Waiting {
        return Err("the rollout has begun already".into());
    }
    let from = record.rollout.from;
    if record.rollout.state == RolloutState::Failed {
        record.rollout.state = RolloutState::Progressing;
        record.rollout.message = String::new();
        record.rollout.ended = None;
    }
    record.rollout.turn(declared.map_or(RolloutPhase::Rolling, |declared| begun_phase(from, declared)), at);
    Ok("rollout begins: what it comes after is ready".into())
}

fn advance(
    record: &mut ServiceRecord,
    declared: Option<&Service>,
    service: &Name,
    indexes: &[u32],
    at: u64,
) -> Result<Effect, String> {
    let is_declared =
        |index: &u32| declared.is_some_and(|declared| declared.daemon || record.is_own(*index, declared.replicas));
    if let Some(index) = indexes.iter().find(|index| !is_declared(index)) {
        return Err(format!("{service}/{index} is not declared"));
    }
    let before = record.rollout.advanced.len();
    record.rollout.advanced.extend(indexes);
    if record.rollout.advanced.len() == before {
        return Ok(Effect::Nothing);
    }
    record.rollout.stepped = at;
    Ok(Effect::Basis)
}

fn add(
    record: &mut ServiceRecord,
    declared: Option<&Service>,
    service: &Name,
    indexes: &[u32],
    hidden: bool,
    at: u64,
) -> Result<Effect, String> {
    let Some(declared) = declared.filter(|declared| !declared.daemon) else {
        return Err(format!("{service} can have no replicas beside its own"));
    };
    let new: BTreeSet<u32> = indexes.iter().copied().collect();
    let most = declared.update.surge(declared.replicas) as usize;
    let before = if hidden { record.rollout.green.len() } else { record.rollout.surge.len() };
    if before + new.len() > most {
        return Err(format!("{service} may have {most} replicas beside its own, and has {before}"));
    }
    if let Some(index) = new.iter().find(|index| record.has(**index, declared.replicas)) {
        return Err(format!("{service}/{index} is there already"));
    }
    let rollout = &mut record.rollout;
    if new.is_empty() {
        return Ok(Effect::Nothing);
    }
    if hidden {
        rollout.green.extend(new);
        if before == 0 && rollout.state == RolloutState::Progressing {
            rollout.turn(RolloutPhase::Trial, at);
        }
    } else {
        rollout.surge.extend(new);
    }
    rollout.stepped = at;
    Ok(Effect::Basis)
}

fn drop_beside(rollout: &mut Rollout, indexes: &[u32]) -> Result<(), String> {
    let mut any = false;
    for index in indexes {
        any |= [&mut rollout.surge, &mut rollout.green, &mut rollout.retired].into_iter().any(|set| set.remove(index));
    }
    if any { Ok(()) } else { Err("none of these is beside the service's own".into()) }
}

fn hold(record: &mut ServiceRecord, declared: Option<&Service>, at: u64) -> Result<String, String> {
    if record.rollout.phase == RolloutPhase::Held {
        return Err("the rollout is held already".into());
    }
    record.rollout.turn(RolloutPhase::Held, at);
    let wait = declared.and_then(|declared| match declared.update.kind {
        Strategy::Canary { wait, .. } | Strategy::BlueGreen { wait, .. } => Some(wait),
        Strategy::Rolling => None,
    });
    Ok(match wait {
        Some(Wait::Hold(time)) => format!("rollout held for {time}: what was tried does well"),
        _ => "rollout held until someone confirms: what was tried does well".into(),
    })
}

/// The new replicas become the service's own, in one step for all who look for them.
fn switch(record: &mut ServiceRecord, declared: Option<&Service>, at: u64) -> Result<String, String> {
    let replicas = declared.map_or(0, |declared| declared.replicas);
    if record.rollout.green.len() != replicas as usize || replicas == 0 {
        return Err(format!("{} of {replicas} new replicas are there", record.rollout.green.len()));
    }
    let before = record.own(replicas);
    let green = std::mem::take(&mut record.rollout.green);
    let surge = std::mem::take(&mut record.rollout.surge);
    record.rollout.retired = before.into_iter().chain(surge).collect();
    record.rollout.advanced.clone_from(&green);
    record.set_own(green, replicas);
    record.rollout.turn(RolloutPhase::Switched, at);
    Ok(format!("switched to {} at revision {}", count(replicas.into(), "new replica"), record.target.short()))
}

/// The revisions of the replicas that a service has.
pub(super) fn revisions(placement: &Placement, service: &Name) -> BTreeMap<u32, Revision> {
    placement.service(service.as_str()).map(|(index, assignment)| (index, assignment.revision)).collect()
}

/// The old replicas become the service's own again if they are of the revision that it goes back `to`; the new ones serve
/// besides as long as they are needed.
pub(super) fn switch_back(record: &mut ServiceRecord, replicas: u32, placed: &BTreeMap<u32, Revision>, to: Revision) {
    if record.rollout.phase != RolloutPhase::Switched {
        return;
    }
    // Others would have to be replaced as much as the new ones, and there would be more of both than may be.
    if !record.rollout.retired.iter().any(|index| placed.get(index) == Some(&to)) {
        record.rollout.retired.clear();
        return;
    }
    let new: BTreeSet<u32> = record.own(replicas).into_iter().collect();
    let mut old = std::mem::take(&mut record.rollout.retired);
    while old.len() > replicas as usize {
        old.pop_last();
    }
    let missing = (replicas as usize).saturating_sub(old.len());
    let free = (0..).filter(|index| !old.contains(index) && !new.contains(index));
    let further: Vec<u32> = free.take(missing).collect();
    old.extend(further);
    record.rollout.surge = new;
    record.set_own(old, replicas);
}

fn finish(record: &mut ServiceRecord, service: &Name, replicas: u64, at: u64) -> Result<String, String> {
    if record.rollout.is_over() {
        return Err(format!("the rollout of {service} is over"));
    }
    let target = record.target.short();
    let replicas = count(replicas, "replica");
    if record.rollout.to == record.target {
        record.prove();
        record.rollout.message = String::new();
        record.rollout.end(RolloutState::Done, at);
        Ok(format!("rollout done: {replicas} at revision {target}"))
    } else {
        record.rollout.end(RolloutState::RolledBack, at);
        Ok(format!("rolled back: {replicas} at revision {target} again"))
    }
}

fn fail(
    record: &mut ServiceRecord,
    declared: Option<&Service>,
    placed: &BTreeMap<u32, Revision>,
    reason: &str,
    at: u64,
) -> String {
    let rolls_back = declared.is_some_and(|declared| declared.update.rollback);
    let failed = record.target.short();
    let good = record.good.filter(|good| rolls_back && *good != record.target);
    let message = match record.rollout.state {
        RolloutState::RollingBack => format!("{}; going back failed: {reason}", record.rollout.message),
        _ => reason.to_owned(),
    };
    match good {
        Some(good) => {
            switch_back(record, declared.map_or(0, |declared| declared.replicas), placed, good);
            record.target = good;
            record.rollout.turn_back(message, at);
            format!("rollout of revision {failed} failed: {reason}; going back to {}", good.short())
        }
        None => {
            record.rollout.stepped = at;
            record.rollout.message = message;
            record.rollout.state = RolloutState::Failed;
            record.rollout.ended = Some(at);
            format!("rollout of revision {failed} failed: {reason}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use icefield_api::RolloutState;
    use icefield_spec::{Millis, Spec, Strategy, Wait};

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
        sample.command(Command::Rollout { at: 50, service: name("web"), to: revision(to), seen: None, step })
    }

    #[test]
    fn finishing_makes_the_revision_the_good_one() {
        let mut sample = under_way();
        sample.step("b", RolloutStep::Advance { indexes: vec![0, 1] });
        sample.step("b", RolloutStep::Finish);
        let record = &sample.state.services["web"];
        assert_eq!((record.good, record.rollout.state), (Some(revision("b")), RolloutState::Done));
        assert_eq!(record.previous, Some(revision("a")));
        assert_eq!(record.units.len(), 2, "there is a way back to the revision before");
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
        stay.services.get_mut("web").unwrap().update.rollback = false;
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
        let unknown = Command::Rollout { at: 1, service: name("api"), to: revision("a"), seen: None, step: fail() };
        assert_eq!(sample.command(unknown), Applied::Refused("there is no service api".into()));
        sample.step("b", RolloutStep::Advance { indexes: vec![1] });
        let again = try_step(&mut sample, "b", RolloutStep::Advance { indexes: vec![1] });
        assert!(matches!(again, Applied::Unchanged(_)));
        assert_eq!(sample.state.services["web"].rollout.advanced, BTreeSet::from([1]));
    }
    #[test]
    fn refuses_a_step_that_was_decided_before_the_service_was_declared_anew() {
        let mut sample = under_way();
        let seen = sample.state.version;
        sample.apply(&spec(&["n1"], &[("web", "b", 3)]));
        let advance = |seen| {
            let step = RolloutStep::Advance { indexes: vec![0] };
            Command::Rollout { at: 50, service: name("web"), to: revision("b"), seen: Some(seen), step }
        };
        let Applied::Refused(reason) = sample.command(advance(seen)) else { panic!("it was taken") };
        assert!(
            reason.starts_with(&format!("the step of web was decided from version {seen}, and at version ")),
            "{reason}"
        );
        let seen = sample.state.version;
        assert!(matches!(sample.command(advance(seen)), Applied::Done(_)));
        assert!(matches!(sample.command(advance(seen)), Applied::Refused(_)), "nor twice from the same");
    }

    #[test]
    fn what_was_switched_from_serves_again_only_if_it_is_gone_back_to() {
        let blue_green = |version: &str| {
            let mut spec = web(version);
            let kind = Strategy::BlueGreen { wait: Wait::Hold(Millis::default()), keep: Millis::new(60_000) };
            spec.services.get_mut("web").unwrap().update.kind = kind;
            spec
        };
        let gone_back = |between: &str| {
            let mut sample = Sample::with(&["n1"], &blue_green("a"));
            sample.step("a", RolloutStep::Finish);
            if between != "a" {
                sample.apply(&blue_green(between));
            }
            for replica in ["web/0", "web/1"] {
                sample.place(replica, "n1");
            }
            sample.apply(&blue_green("c"));
            sample.step("c", RolloutStep::Add { indexes: vec![2, 3], hidden: true });
            sample.step("c", RolloutStep::Switch);
            sample.step("c", fail());
            let record = &sample.state.services["web"];
            (record.own(2), record.rollout.surge.len(), record.rollout.retired.len())
        };
        assert_eq!(gone_back("a"), (vec![0, 1], 2, 0));
        assert_eq!(gone_back("b"), (vec![2, 3], 0, 0), "the good revision is a, and they are of b");
    }
}
