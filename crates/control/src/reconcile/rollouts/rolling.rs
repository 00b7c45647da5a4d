use icefield_api::RolloutPhase;
use icefield_spec::{Strategy, Wait};

use super::spread::evenly;
use super::view::View;
use crate::reconcile::standing::{Known, Standing};
use crate::state::RolloutStep;

/// A few at a time, and of a canary a few first.
impl View<'_> {
    pub(super) fn rolling(&self) -> Option<RolloutStep> {
        let rollout = &self.record.rollout;
        // What another way has left behind: discovery does not know of it, so nobody misses it.
        let hidden: Vec<u32> = rollout.green.iter().chain(&rollout.retired).copied().collect();
        if !hidden.is_empty() {
            return Some(RolloutStep::Drop { indexes: hidden });
        }
        let share = match self.service.update.kind {
            Strategy::Canary { share, .. } if !self.is_going_back() => Some(share.of(self.count())),
            _ => None,
        };
        let tries = matches!(rollout.phase, RolloutPhase::Trial | RolloutPhase::Held);
        match share.filter(|_| tries) {
            Some(share) => self.canary(share),
            None if rollout.phase != RolloutPhase::Rolling => Some(RolloutStep::Proceed),
            None => self.forward(u32::MAX),
        }
    }

    /// Has `share` replicas try the target revision.
    fn canary(&self, share: u32) -> Option<RolloutStep> {
        let own = self.own.iter().filter(|known| self.is_advanced(known) || self.is_new(known));
        let tried: Vec<&Known<'_>> = own.chain(self.surge.iter().filter(|known| !self.is_left_over(known))).collect();
        let left = share.saturating_sub(u32::try_from(tried.len()).unwrap_or(u32::MAX));
        if left > 0 {
            return self.forward(left);
        }
        let stood = tried.iter().all(|known| self.is_proven(known));
        match (self.record.rollout.phase, self.wait()) {
            (RolloutPhase::Held, Wait::Hold(time)) => (stood && self.has_passed(time)).then_some(RolloutStep::Proceed),
            (RolloutPhase::Held, Wait::Confirm) => None,
            (_, Wait::Hold(time)) if stood && time.get() == 0 => Some(RolloutStep::Proceed),
            _ if stood => Some(RolloutStep::Hold),
            // What of others is in the way of the test may have to go.
            _ => self.forward(0),
        }
    }

    /// Gives up to `most` more replicas the target revision, as far as that can be spared.
    fn forward(&self, most: u32) -> Option<RolloutStep> {
        let useless = self.useless();
        if !useless.is_empty() {
            return Some(RolloutStep::Drop { indexes: useless });
        }
        let (mut free, mut costly) = (Vec::new(), Vec::new());
        for known in self.own.iter().filter(|known| !self.is_new(known) && !self.is_advanced(known)) {
            match known.standing {
                _ if known.serves() => costly.push(known),
                Standing::Unknown => {}
                _ => free.push(known),
            }
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let surge = self.surge.len();
        let wanted = costly.len().min(self.service.update.max_surge as usize).min(surge.saturating_add(most));
        if wanted > surge {
            let indexes = self.record.unused(self.service.replicas).take(wanted - surge).collect();
            return Some(RolloutStep::Add { indexes, hidden: false });
        }
        let mut next = evenly(self, &free, most);
        let spared = usize::try_from(self.spare()).unwrap_or(0).min(most - next.len());
        next.extend(evenly(self, &costly, spared));
        next.sort_unstable();
        (!next.is_empty()).then_some(RolloutStep::Advance { indexes: next })
    }

    /// Whether one beside the service's own is of another revision than the target.
    pub(super) fn is_left_over(&self, known: &Known<'_>) -> bool {
        known.assignment.is_some() && !self.is_new(known)
    }

    /// Those beside the service's own that are of no use: of another revision than the target, and not needed to serve.
    pub(super) fn useless(&self) -> Vec<u32> {
        let mut spare = self.spare();
        let left = self.surge.iter().filter(|known| self.is_left_over(known));
        let useless = left.filter(|known| match known.standing {
            Standing::Unknown => false,
            _ if !known.serves() => true,
            _ if spare > 0 => {
                spare -= 1;
                true
            }
            _ => false,
        });
        useless.map(|known| known.replica.index).collect()
    }
}
