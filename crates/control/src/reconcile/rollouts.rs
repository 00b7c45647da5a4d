use icefield_api::{ReplicaState, RolloutState};
use icefield_placement::ReplicaId;
use icefield_spec::{Name, Service, Update};

use super::dependencies::{Unmet, unmet};
use super::standing::{Known, Standing};
use super::wanted::Wanted;
use crate::observe::Observations;
use crate::state::{RolloutStep, ServiceRecord};
use crate::{Command, State};

/// A new replica that ended by itself so often is not going to make it.
const CRASHES: u32 = 3;

/// The next step of each rollout that can go on.
pub(super) fn due(state: &State, seen: &Observations, wanted: &Wanted, now: u64) -> Vec<Command> {
    let Some(spec) = state.spec.as_deref() else { return Vec::new() };
    let due = spec.services.iter().filter_map(|(name, service)| {
        let record = state.services.get(name)?;
        let step = View::new(state, seen, wanted, name, service, record, now)?.step()?;
        Some(Command::Rollout { at: now, service: name.clone(), to: record.target, step })
    });
    due.collect()
}

/// The first replica that a rollout waits for because it does not serve, with its state as last seen.
pub(crate) fn waits_for(
    state: &State,
    seen: &Observations,
    wanted: &Wanted,
    name: &Name,
    service: &Service,
) -> Option<(ReplicaId, ReplicaState)> {
    let view = View::new(state, seen, wanted, name, service, state.services.get(name)?, seen.since())?;
    let waiting = view.replicas.into_iter().find(|known| !known.serves())?;
    let last = waiting.report.map_or(ReplicaState::Pending, |report| report.state);
    Some((waiting.replica, last))
}

/// One rollout that is not over, with all that its next step depends on.
///
/// Placement has been settled before, so a replica that is nowhere fits nowhere, and none is on a node that is lost.
///
/// The rules: a replica that serves is taken down only if then no more than `max_unavailable` do not serve. One that
/// does not serve can be taken at once, as nothing is lost by it. A new one counts as serving once it has proved
/// itself. Nothing is held against the new revision that its node is to blame for.
struct View<'a> {
    state: &'a State,
    seen: &'a Observations,
    service: &'a Service,
    record: &'a ServiceRecord,
    replicas: Vec<Known<'a>>,
    now: u64,
}

impl<'a> View<'a> {
    /// `None` if the rollout is over.
    fn new(
        state: &'a State,
        seen: &'a Observations,
        wanted: &Wanted,
        name: &Name,
        service: &'a Service,
        record: &'a ServiceRecord,
        now: u64,
    ) -> Option<Self> {
        if record.rollout.is_over() {
            return None;
        }
        let Update::Rolling { healthy_for, .. } = service.update;
        let known = |index| Known::new(state, seen, ReplicaId::new(name.clone(), index), healthy_for, now);
        let replicas = wanted.indexes(name, service).into_iter().map(known).collect();
        Some(Self { state, seen, service, record, replicas, now })
    }

    fn step(&self) -> Option<RolloutStep> {
        if self.replicas.iter().all(|known| self.is_new(known) && known.standing == Standing::Proven) {
            return Some(RolloutStep::Finish);
        }
        if !self.record.rollout.is_under_way() {
            return None;
        }
        if self.record.rollout.state == RolloutState::Progressing {
            match unmet(self.state, &self.service.after) {
                Some(Unmet::Waits(_)) => return None,
                Some(Unmet::Failed(reason)) => return Some(RolloutStep::Fail { reason }),
                None => {}
            }
        }
        if let Some(reason) = self.replicas.iter().find_map(|known| self.failure(known)) {
            return Some(RolloutStep::Fail { reason });
        }
        let indexes = self.advance();
        (!indexes.is_empty()).then_some(RolloutStep::Advance { indexes })
    }

    fn is_new(&self, known: &Known<'_>) -> bool {
        known.assignment.is_some_and(|assignment| assignment.revision == self.record.target)
    }

    /// Whether this rollout may give it the target revision, or has.
    fn is_advanced(&self, known: &Known<'_>) -> bool {
        self.record.rollout.from.is_none() || self.record.rollout.advanced.contains(&known.replica.index)
    }

    /// The replicas that are to take the target revision next.
    fn advance(&self) -> Vec<u32> {
        let Update::Rolling { max_unavailable, .. } = self.service.update;
        let mut serving = 0_u32;
        let (mut free, mut costly) = (Vec::new(), Vec::new());
        for known in &self.replicas {
            let index = known.replica.index;
            if self.is_new(known) {
                serving += u32::from(known.standing == Standing::Proven);
            } else if self.is_advanced(known) {
                // It is about to be taken down, if it still runs.
            } else if known.serves() {
                serving += 1;
                costly.push(index);
            } else if known.standing != Standing::Unknown {
                free.push(index);
            }
        }
        let unavailable = u32::try_from(self.replicas.len()).unwrap_or(u32::MAX).saturating_sub(serving);
        let allowed = max_unavailable.max(1).saturating_sub(unavailable);
        costly.truncate(usize::try_from(allowed).unwrap_or(usize::MAX));
        free.append(&mut costly);
        free.sort_unstable();
        free
    }

    /// Why the rollout has failed, if `known` shows that it has.
    fn failure(&self, known: &Known<'_>) -> Option<String> {
        if known.standing == Standing::Proven {
            return None;
        }
        let advanced = self.is_advanced(known);
        let waits_for_room = advanced && known.standing == Standing::Nowhere;
        if !self.is_new(known) && !waits_for_room {
            return None;
        }
        if advanced && self.record.rollout.state == RolloutState::Progressing {
            let early = self.missing_driver(known).or_else(|| crashes(known));
            if early.is_some() {
                return early;
            }
        }
        self.overdue(known)
    }

    fn missing_driver(&self, known: &Known<'_>) -> Option<String> {
        let (assignment, report) = (known.assignment?, known.report?);
        if report.state != ReplicaState::Failed {
            return None;
        }
        let kind = self.record.units.get(&assignment.revision)?.unit.run.kind();
        let node = &assignment.node;
        let has = self.state.nodes.get(node)?.drivers.iter().any(|driver| driver == kind);
        (!has).then(|| format!("{} cannot start on {node}: its agent has no driver for {kind}", known.replica))
    }

    /// Whether `known` has had all the time that one step may take.
    fn overdue(&self, known: &Known<'_>) -> Option<String> {
        let Update::Rolling { deadline, .. } = self.service.update;
        let decided = self.state.placed.decision(&known.replica).map_or(0, |decision| decision.at);
        let start = self.record.rollout.stepped.max(decided);
        // Another server's clock may be ahead of this one's; then time runs from when this one came to lead.
        let start = if start > self.now { 0 } else { start }.max(self.seen.since());
        if self.now.saturating_sub(start) < deadline.get() {
            return None;
        }
        let Some(assignment) = known.assignment else {
            // Where nodes are missing, that it has no room says nothing of the revision.
            let missing =
                self.state.nodes.iter().any(|(node, record)| record.lost && self.state.declares(node.as_str()))
                    || !self.seen.health().suspects.is_empty()
                    || self.state.holders.get(&known.replica).is_some();
            return (!missing).then(|| format!("{} fits on no node", known.replica));
        };
        let what = match known.report {
            None => "its agent has not taken it up".to_owned(),
            Some(_) if known.serves() => "healthy, but not for long enough".to_owned(),
            Some(report) => match &report.message {
                Some(message) => format!("{}: {message}", report.state),
                None => report.state.to_string(),
            },
        };
        Some(format!("{} on {} did not prove itself within {deadline} ({what})", known.replica, assignment.node))
    }
}

fn crashes(known: &Known<'_>) -> Option<String> {
    let (assignment, report) = (known.assignment?, known.report?);
    if report.restarts < CRASHES {
        return None;
    }
    let because = report.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    Some(format!("{} ended {} times on {}{because}", known.replica, report.restarts, assignment.node))
}
