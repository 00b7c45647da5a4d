use icefield_api::ReplicaReport;
use icefield_placement::{Assignment, ReplicaId};
use icefield_spec::Millis;

use crate::State;
use crate::observe::{Observations, is_healthy};

/// How one declared replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is placed nowhere.
    Nowhere,
    /// This server has not heard of its node yet, or not for a while, or not since it was decided what it is to be.
    Unknown,
    /// It does not serve: its node is not there, or it is not taken up yet, starting, failed, unhealthy, or still of
    /// another revision.
    Down,
    /// It serves, but not for long.
    Healthy,
    /// It has served for as long as it must to count.
    Proven,
}

/// One declared replica with all that is known of it.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) replica: ReplicaId,
    pub(super) assignment: Option<&'a Assignment>,
    /// What its node says of it, if that is of the revision it should be there.
    pub(super) report: Option<&'a ReplicaReport>,
    pub(super) standing: Standing,
}

impl<'a> Known<'a> {
    pub(super) fn new(
        state: &'a State,
        seen: &'a Observations,
        replica: ReplicaId,
        healthy_for: Millis,
        now: u64,
    ) -> Self {
        let assignment = state.placed.get(&replica);
        let (standing, report) = match assignment {
            None => (Standing::Nowhere, None),
            Some(assignment) => judge(state, seen, &replica, assignment, healthy_for, now),
        };
        Self { replica, assignment, report, standing }
    }

    /// Whether it serves.
    pub(super) fn serves(&self) -> bool {
        matches!(self.standing, Standing::Healthy | Standing::Proven)
    }
}

fn judge<'a>(
    state: &State,
    seen: &'a Observations,
    replica: &ReplicaId,
    assignment: &Assignment,
    healthy_for: Millis,
    now: u64,
) -> (Standing, Option<&'a ReplicaReport>) {
    let node = assignment.node.as_str();
    if state.nodes.get(node).is_none_or(|record| record.lost) || !state.declares(node) {
        return (Standing::Down, None);
    }
    let Some(sight) = seen.sight(node).filter(|_| !seen.health().is_suspect(node)) else {
        return (Standing::Unknown, None);
    };
    let report = seen.report(node, replica).filter(|report| report.revision == assignment.revision);
    // What is said of a replica that was something else in between may be of what it was before.
    let decided = state.placed.decision(replica).map_or(0, |decision| decision.at);
    let is_behind = state.nodes.get(node).is_some_and(|record| record.generation != sight.generation);
    if is_behind && report.is_some_and(|report| now.saturating_sub(seen.age(node, report, now)) < decided) {
        return (Standing::Unknown, None);
    }
    let standing = match report {
        Some(report) if is_healthy(report) && seen.age(node, report, now) >= healthy_for.get() => Standing::Proven,
        Some(report) if is_healthy(report) => Standing::Healthy,
        _ => Standing::Down,
    };
    (standing, report)
}
