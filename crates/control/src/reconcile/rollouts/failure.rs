use icefield_api::{ReplicaState, RolloutPhase, RolloutState};

use super::view::View;
use crate::reconcile::standing::{Known, Standing};

/// A new replica that ended by itself so often is not going to make it.
const CRASHES: u32 = 3;

impl View<'_> {
    /// Why the rollout has failed, if its replicas show that it has.
    pub(super) fn failure(&self) -> Option<String> {
        let own = self.own.iter().find_map(|known| {
            let advanced = self.is_advanced(known);
            self.failure_of(known, advanced, advanced)
        });
        let needs_more = self.service.update.depends_on_more();
        let beside = || {
            let mut beside = self.surge.iter().chain(&self.green);
            beside.find_map(|known| self.failure_of(known, true, needs_more))
        };
        own.or_else(beside)
    }

    /// Why it has, if `known` shows that. Whether that is of this rollout's doing, and needs room that there must be, is
    /// given.
    fn failure_of(&self, known: &Known<'_>, advanced: bool, needs_room: bool) -> Option<String> {
        // What its node is to blame for is not held against it.
        if matches!(known.standing, Standing::Proven | Standing::Unknown) {
            return None;
        }
        let waits_for_room = needs_room && known.standing == Standing::Nowhere;
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
        let deadline = self.service.update.deadline;
        let decided = self.state.placed.decision(&known.replica).map_or(0, |decision| decision.at);
        let start = self.record.rollout.stepped.max(decided).max(self.stopped_serving(known));
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

    /// Since when a replica does not serve that had proved itself before, where a step waits for nothing but time: then it
    /// has its whole time again.
    fn stopped_serving(&self, known: &Known<'_>) -> u64 {
        let waits = matches!(self.record.rollout.phase, RolloutPhase::Held | RolloutPhase::Switched);
        let Some((assignment, report)) = known.assignment.zip(known.report).filter(|_| waits) else { return 0 };
        let age = self.seen.age(assignment.node.as_str(), report, self.now);
        self.now.saturating_sub(age)
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
