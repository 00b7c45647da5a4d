use std::collections::BTreeMap;

use icefield_api::{EventKind, RolloutAction, RolloutPhase, RolloutState};
use icefield_spec::{Name, Revision};

use super::rollout::{revisions, switch_back};
use super::{Effect, ServiceRecord, State};

impl State {
    /// Does what a person asks of a rollout.
    pub(super) fn steer(&mut self, at: u64, service: &Name, action: RolloutAction) -> Result<Effect, String> {
        let declared = self.spec.as_ref().and_then(|spec| spec.services.get(service));
        let replicas = declared.map_or(0, |declared| declared.replicas);
        let placed = revisions(self.placed.placement(), service);
        let Some(record) = self.services.get_mut(service).filter(|_| declared.is_some()) else {
            return Err(format!("there is no service {service}"));
        };
        let is_under_way = record.rollout.is_under_way();
        if !is_under_way && !matches!(action, RolloutAction::Undo | RolloutAction::UndoTo(_)) {
            return Err(format!("no rollout of {service} is under way"));
        }
        let message = match action {
            RolloutAction::Pause if record.rollout.paused.is_some() => return Ok(Effect::Nothing),
            RolloutAction::Pause => {
                record.rollout.paused = Some(at);
                "rollout paused".to_owned()
            }
            RolloutAction::Resume => {
                let Some(paused) = record.rollout.paused.take() else { return Ok(Effect::Nothing) };
                // What was waited for meanwhile does not count, neither for it nor against it.
                record.rollout.since = record.rollout.since.saturating_add(at.saturating_sub(paused));
                record.rollout.stepped = at;
                "rollout resumed".to_owned()
            }
            RolloutAction::Confirm if record.rollout.phase != RolloutPhase::Held => {
                return Err(format!("the rollout of {service} does not wait for anyone to confirm"));
            }
            RolloutAction::Confirm => {
                record.rollout.turn(RolloutPhase::Rolling, at);
                "rollout confirmed: it goes on".to_owned()
            }
            RolloutAction::Undo => undo(record, service, None, (replicas, &placed), at)?,
            RolloutAction::UndoTo(to) => undo(record, service, Some(to), (replicas, &placed), at)?,
        };
        self.tell(at, EventKind::Rollout, format!("service {service}"), message);
        Ok(Effect::Basis)
    }
}

/// Goes back to the good revision before, or to `to`.
fn undo(
    record: &mut ServiceRecord,
    service: &Name,
    to: Option<Revision>,
    (replicas, placed): (u32, &BTreeMap<u32, Revision>),
    at: u64,
) -> Result<String, String> {
    let undone = record.target.short();
    let ways_back = record.ways_back();
    let to = match record.rollout.state {
        RolloutState::RollingBack => return Err(format!("{service} is going back already")),
        _ if to.is_some_and(|to| to == record.target) => return Err(format!("{service} is at {undone} already")),
        _ if to.is_some_and(|to| !ways_back.contains(&to)) => {
            let to = to.as_ref().map_or_else(String::new, Revision::short);
            return Err(format!("the revision {to} of {service} is not kept; {}", kept(&ways_back)));
        }
        _ if to.is_some() => to,
        RolloutState::RolledBack => {
            return Err(format!("{service} is at its last good revision {undone} already; apply another one"));
        }
        RolloutState::Done => record.previous,
        RolloutState::Progressing | RolloutState::Failed | RolloutState::Superseded => {
            record.good.filter(|good| *good != record.target)
        }
    };
    let Some(to) = to else {
        return Err(format!("there is no good revision of {service} before {undone} to go back to"));
    };
    switch_back(record, replicas, placed, to);
    record.go_back(to);
    record.rollout.turn_back("it was undone".into(), at);
    Ok(format!("rollout of revision {undone} undone; going back to {}", to.short()))
}

/// Which revisions one can go back to.
fn kept(ways_back: &[Revision]) -> String {
    match ways_back {
        [] => "no revision is kept to go back to".into(),
        some => format!("kept are {}", some.iter().map(Revision::short).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sample::{Sample, name, revision, spec};
    use crate::state::{Applied, Command, RolloutStep};

    /// A service that has done well with each of these revisions, one after the other.
    fn gone_through(versions: &[&str]) -> Sample {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", versions[0], 2)]));
        sample.step(versions[0], RolloutStep::Finish);
        for version in &versions[1..] {
            sample.apply(&spec(&["n1"], &[("web", version, 2)]));
            sample.step(version, RolloutStep::Finish);
        }
        sample
    }

    fn back(to: &str) -> Command {
        Command::Steer { at: 9, service: name("web"), action: RolloutAction::UndoTo(revision(to)) }
    }

    fn ways(sample: &Sample) -> Vec<Revision> {
        sample.state.services["web"].ways_back()
    }

    #[test]
    fn an_undo_may_go_further_back_and_then_the_way_goes_on_from_there() {
        let mut sample = gone_through(&["a", "b", "c", "d"]);
        assert_eq!(ways(&sample), ["c", "b", "a"].map(revision));
        sample.done(back("b"));
        let record = &sample.state.services["web"];
        assert_eq!((record.target, record.rollout.state), (revision("b"), RolloutState::RollingBack));
        assert_eq!(ways(&sample), [revision("a")], "what was passed over is no way back");
        sample.step("b", RolloutStep::Finish);
        assert_eq!(sample.state.services["web"].rollout.state, RolloutState::RolledBack);
        sample.done(back("a"));
        sample.step("a", RolloutStep::Finish);
        assert!(ways(&sample).is_empty());
        assert_eq!(sample.state.services["web"].units.len(), 1, "and is kept no more");
    }

    #[test]
    fn only_what_is_kept_can_be_gone_back_to() {
        let mut sample = gone_through(&["a", "b", "c", "d", "e", "f", "g"]);
        let (kept, gone) = (["f", "e", "d", "c", "b"].map(revision), revision("a").short());
        assert_eq!(ways(&sample), kept);
        let list = kept.iter().map(Revision::short).collect::<Vec<_>>().join(", ");
        let refused = format!("the revision {gone} of web is not kept; kept are {list}");
        assert_eq!(sample.command(back("a")), Applied::Refused(refused));
        let already = format!("web is at {} already", revision("g").short());
        assert_eq!(sample.command(back("g")), Applied::Refused(already));
    }

    #[test]
    fn a_rollout_that_is_under_way_can_be_undone_past_the_good_revision() {
        let mut sample = gone_through(&["a", "b"]);
        sample.apply(&spec(&["n1"], &[("web", "c", 2)]));
        assert_eq!(ways(&sample), ["b", "a"].map(revision));
        sample.done(back("a"));
        assert_eq!(sample.state.services["web"].target, revision("a"));
        assert!(ways(&sample).is_empty());
    }
}
