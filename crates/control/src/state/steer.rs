use icefield_api::{EventKind, RolloutAction, RolloutPhase, RolloutState};
use icefield_spec::Name;

use super::rollout::switch_back;
use super::{Effect, ServiceRecord, State};

impl State {
    /// Does what a person asks of a rollout.
    pub(super) fn steer(&mut self, at: u64, service: &Name, action: RolloutAction) -> Result<Effect, String> {
        let declared = self.spec.as_ref().and_then(|spec| spec.services.get(service));
        let replicas = declared.map_or(0, |declared| declared.replicas);
        let Some(record) = self.services.get_mut(service).filter(|_| declared.is_some()) else {
            return Err(format!("there is no service {service}"));
        };
        let is_under_way = record.rollout.is_under_way();
        if !is_under_way && action != RolloutAction::Undo {
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
            RolloutAction::Undo => undo(record, service, replicas, at)?,
        };
        self.tell(at, EventKind::Rollout, format!("service {service}"), message);
        Ok(Effect::Basis)
    }
}

fn undo(record: &mut ServiceRecord, service: &Name, replicas: u32, at: u64) -> Result<String, String> {
    let undone = record.target.short();
    let to = match record.rollout.state {
        RolloutState::RollingBack => return Err(format!("{service} is going back already")),
        RolloutState::RolledBack => {
            return Err(format!("{service} is at its last good revision {undone} already; apply another one"));
        }
        RolloutState::Done => record.previous.take(),
        RolloutState::Progressing | RolloutState::Failed | RolloutState::Superseded => {
            record.good.filter(|good| *good != record.target)
        }
    };
    let Some(to) = to else {
        return Err(format!("there is no good revision of {service} before {undone} to go back to"));
    };
    switch_back(record, replicas);
    record.good = Some(to);
    record.target = to;
    record.rollout.turn_back("it was undone".into(), at);
    Ok(format!("rollout of revision {undone} undone; going back to {}", to.short()))
}
