use icefield_api::RolloutPhase;
use icefield_spec::Wait;

use super::view::View;
use crate::state::RolloutStep;

/// All at once, beside the old ones.
impl View<'_> {
    pub(super) fn blue_green(&self) -> Option<RolloutStep> {
        let rollout = &self.record.rollout;
        if rollout.phase == RolloutPhase::Switched {
            return None;
        }
        let useless = self.useless();
        if !useless.is_empty() {
            return Some(RolloutStep::Drop { indexes: useless });
        }
        // On the way back, those that are of the good revision already need no others.
        let is_old = |known: &&_| !self.is_new(known);
        let old = self.own.iter().filter(is_old).filter(|known| !self.is_going_back() || known.assignment.is_some());
        if old.count() == 0 {
            return None;
        }
        // What an undone rollout has left serving besides goes before others come: all of them would be three times as many.
        // It is waited for as long as a step may take, because what it makes up for may never serve again.
        let is_left = self.surge.iter().any(|known| self.is_left_over(known));
        if is_left && self.green.is_empty() && !self.has_passed(self.service.update.deadline) {
            return None;
        }
        let (count, green) = (self.own.len(), self.green.len());
        if green < count {
            let indexes = self.record.unused(self.service.replicas).take(count - green).collect();
            return Some(RolloutStep::Add { indexes, hidden: true });
        }
        if green > count {
            let indexes = rollout.green.iter().rev().take(green - count).copied().collect();
            return Some(RolloutStep::Drop { indexes });
        }
        if !self.green.iter().all(|known| self.is_proven(known)) {
            return None;
        }
        match (rollout.phase, self.wait()) {
            (RolloutPhase::Rolling, _) => Some(RolloutStep::Switch),
            (RolloutPhase::Held, Wait::Hold(time)) => self.has_passed(time).then_some(RolloutStep::Switch),
            (RolloutPhase::Held, Wait::Confirm) => None,
            (_, Wait::Hold(time)) if time.get() == 0 => Some(RolloutStep::Switch),
            _ => Some(RolloutStep::Hold),
        }
    }
}
