use icefield_api::{RolloutPhase, RolloutState};
use icefield_placement::ReplicaId;
use icefield_spec::{Millis, Name, Service, Strategy, Wait};

use crate::State;
use crate::observe::Observations;
use crate::reconcile::standing::{Known, Standing};
use crate::reconcile::wanted::Wanted;
use crate::state::ServiceRecord;

/// One rollout that is not over, with all that its next step depends on.
///
/// Placement has been settled before, so a replica that is nowhere fits nowhere, and none is on a node that is lost.
///
/// The rules: a replica that serves is taken down only if then no more than `max_unavailable` do not serve. One that
/// does not serve can be taken at once, as nothing is lost by it. A new one counts as serving once it has proved
/// itself. What is on a node that is silent counts neither as serving nor as failing: that node is to blame.
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    pub(super) seen: &'a Observations,
    pub(super) wanted: &'a Wanted,
    pub(super) name: &'a Name,
    pub(super) service: &'a Service,
    pub(super) record: &'a ServiceRecord,
    /// The service's own replicas.
    pub(super) own: Vec<Known<'a>>,
    /// Those beside them that serve as they do.
    pub(super) surge: Vec<Known<'a>>,
    /// Those beside them that are to take their place.
    pub(super) green: Vec<Known<'a>>,
    pub(super) now: u64,
}

impl<'a> View<'a> {
    /// `None` if the rollout is over.
    pub(super) fn new(
        state: &'a State,
        seen: &'a Observations,
        wanted: &'a Wanted,
        name: &'a Name,
        service: &'a Service,
        record: &'a ServiceRecord,
        now: u64,
    ) -> Option<Self> {
        if record.rollout.is_over() {
            return None;
        }
        let healthy_for = service.update.healthy_for;
        let known = |index: u32| Known::new(state, seen, ReplicaId::new(name.clone(), index), healthy_for, now);
        let own = wanted.own(name, service, record).into_iter().map(known).collect();
        let surge = record.rollout.surge.iter().copied().map(known).collect();
        let green = record.rollout.green.iter().copied().map(known).collect();
        Some(Self { state, seen, wanted, name, service, record, own, surge, green, now })
    }

    /// How many replicas the service is to have.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.own.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_new(&self, known: &Known<'_>) -> bool {
        known.assignment.is_some_and(|assignment| assignment.revision == self.record.target)
    }

    /// Whether it is of the target revision and has proved itself.
    pub(super) fn is_proven(&self, known: &Known<'_>) -> bool {
        self.is_new(known) && known.standing == Standing::Proven
    }

    /// Whether this rollout may give one of the service's own the target revision, or has.
    pub(super) fn is_advanced(&self, known: &Known<'_>) -> bool {
        self.record.rollout.from.is_none() || self.record.rollout.advanced.contains(&known.replica.index)
    }

    /// Whether it can be counted on: one of the target revision must have proved itself.
    pub(super) fn serves(&self, known: &Known<'_>) -> bool {
        if self.is_new(known) { known.standing == Standing::Proven } else { known.serves() }
    }

    /// How many replicas more than there must be can be counted on; negative if there are too few.
    pub(super) fn spare(&self) -> i64 {
        // One that may have the target revision and has not is about to be taken down, if it still runs.
        let own = self.own.iter().filter(|known| self.is_new(known) || !self.is_advanced(known));
        let serving = own.chain(&self.surge).filter(|known| self.serves(known)).count();
        let least = self.own.len().saturating_sub(self.service.update.unavailable() as usize);
        i64::try_from(serving).unwrap_or(i64::MAX) - i64::try_from(least).unwrap_or(i64::MAX)
    }

    pub(super) fn is_going_back(&self) -> bool {
        self.record.rollout.state == RolloutState::RollingBack
    }

    /// Whether its new replicas are to stand beside the old ones, and there are old ones.
    pub(super) fn is_blue_green(&self) -> bool {
        matches!(self.service.update.kind, Strategy::BlueGreen { .. }) && self.record.rollout.from.is_some()
    }

    /// Whether every replica is as the target has it, and nothing is to be waited for.
    pub(super) fn is_through(&self) -> bool {
        if !self.own.iter().all(|known| self.is_proven(known)) {
            return false;
        }
        match self.record.rollout.phase {
            _ if self.record.rollout.state != RolloutState::Progressing => true,
            // What is being tried is not through before it has stood the test; unless nothing was to be tried.
            RolloutPhase::Trial | RolloutPhase::Held => self.record.rollout.advanced.is_empty(),
            RolloutPhase::Switched => self.has_passed(self.keep()),
            RolloutPhase::Waiting => false,
            RolloutPhase::Rolling => true,
        }
    }

    /// How long old replicas run on after the switch.
    pub(super) fn keep(&self) -> Millis {
        match self.service.update.kind {
            Strategy::BlueGreen { keep, .. } => keep,
            Strategy::Rolling | Strategy::Canary { .. } => Millis::default(),
        }
    }

    /// What is waited for once what was tried has proved itself; nothing where the way back is taken.
    pub(super) fn wait(&self) -> Wait {
        match self.service.update.kind {
            Strategy::Canary { wait, .. } | Strategy::BlueGreen { wait, .. } if !self.is_going_back() => wait,
            _ => Wait::Hold(Millis::default()),
        }
    }

    /// Whether the rollout has been at what it is at for so long.
    pub(super) fn has_passed(&self, time: Millis) -> bool {
        let since = self.record.rollout.since;
        // Another server's clock may be ahead of this one's; then time runs from when this one came to lead.
        let since = if since > self.now { self.seen.since() } else { since };
        self.now.saturating_sub(since) >= time.get()
    }
}
