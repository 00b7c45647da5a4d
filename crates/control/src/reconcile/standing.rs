use icefield_api::ReplicaReport;
use icefield_placement::{Assignment, ReplicaId};
use icefield_spec::Millis;

use crate::State;
use crate::observe::{Observations, is_healthy};

/// For how long a node must have told that a replica serves before silence counts as more of the same, in milliseconds: as long
/// as it takes until it tells again.
const WITNESSED: u64 = 500;

/// How one declared replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is placed nowhere.
    Nowhere,
    /// This server has not heard of its node yet, or not for a while, or not since it was decided what it is to be; or it did
    /// not serve when its node was heard of last, which is not just now.
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
    let stood = |report| {
        let by_now = seen.age(node, report, now) >= healthy_for.get();
        // That it serves is no proof that it goes on: it may have taken its node with it.
        by_now && seen.witnessed(node, report) >= healthy_for.get().min(WITNESSED)
    };
    let standing = match report {
        Some(report) if is_healthy(report) && stood(report) => Standing::Proven,
        Some(report) if is_healthy(report) => Standing::Healthy,
        // It may have come to serve since.
        _ if seen.is_outdated(node, now) => Standing::Unknown,
        _ => Standing::Down,
    };
    (standing, report)
}

#[cfg(test)]
mod tests {
    use icefield_api::ReplicaState;

    use super::*;
    use crate::observe::sample::{heartbeat, report};
    use crate::state::sample::{Sample, name, replica, spec};

    #[test]
    fn what_was_seen_to_serve_but_once_has_not_proved_itself() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
        sample.place("web/0", "n1");
        let standing = |seen: &Observations, now| {
            Known::new(&sample.state, seen, replica("web/0"), Millis::new(500), now).standing
        };
        let mut seen = Observations::new(0);
        let healthy = |since| heartbeat(vec![report("web/0", "a", ReplicaState::Healthy, since)]);
        seen.heartbeat(&name("n1"), healthy(0), 1_000);
        assert_eq!(standing(&seen, 1_600), Standing::Healthy, "its node may be gone");
        seen.heartbeat(&name("n1"), healthy(450), 1_450);
        assert_eq!(standing(&seen, 1_600), Standing::Healthy);
        seen.heartbeat(&name("n1"), healthy(500), 1_500);
        assert_eq!(standing(&seen, 1_600), Standing::Proven);
    }

    #[test]
    fn what_did_not_serve_a_while_ago_may_serve_by_now() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
        sample.place("web/0", "n1");
        let mut seen = Observations::new(0);
        let starting = report("web/0", "a", ReplicaState::Starting, 0);
        seen.heartbeat(&name("n1"), heartbeat(vec![starting]), 1_000);
        let standing = |now| Known::new(&sample.state, &seen, replica("web/0"), Millis::new(100), now).standing;
        assert_eq!(standing(1_900), Standing::Down);
        assert_eq!(standing(2_100), Standing::Unknown);
    }
}
