use icefield_api::{ReplicaState, RolloutPhase};
use icefield_spec::{Name, Service, Wait};

use super::view::View;
use crate::State;
use crate::observe::Observations;
use crate::reconcile::standing::Standing;
use crate::reconcile::wanted::Wanted;

/// What a rollout that is under way waits for, in words.
pub(crate) fn waits_for(
    state: &State,
    seen: &Observations,
    wanted: &Wanted,
    name: &Name,
    service: &Service,
) -> Option<String> {
    let view = View::new(state, seen, wanted, name, service, state.services.get(name)?, seen.since())?;
    view.waits_for()
}

impl View<'_> {
    fn waits_for(&self) -> Option<String> {
        let rollout = &self.record.rollout;
        if rollout.paused.is_some() {
            return Some(format!("paused; `icefield rollout resume {}` has it go on", self.name));
        }
        match rollout.phase {
            RolloutPhase::Waiting => {
                let waits = self.unmet().map(|unmet| format!("waits for {}", unmet.words()));
                return Some(waits.unwrap_or_else(|| "begins".into()));
            }
            RolloutPhase::Held => {
                return Some(match self.wait() {
                    Wait::Hold(time) => format!("what was tried does well; goes on after {time}"),
                    Wait::Confirm => {
                        format!("what was tried does well; `icefield rollout confirm {}` has it go on", self.name)
                    }
                });
            }
            RolloutPhase::Switched => return Some(format!("switched; the old replicas run on for {}", self.keep())),
            RolloutPhase::Trial | RolloutPhase::Rolling => {}
        }
        let all = || self.green.iter().chain(&self.own).chain(&self.surge);
        if let Some(waiting) = all().find(|known| !known.serves()) {
            let last = waiting.report.map_or(ReplicaState::Pending, |report| report.state);
            return Some(format!("waits for {} ({last})", waiting.replica));
        }
        let healthy = all().find(|known| known.standing == Standing::Healthy)?;
        let time = self.service.update.healthy_for;
        Some(format!("waits for {} to have been healthy for {time}", healthy.replica))
    }
}
