//! What in a replica's life is worth an event.

use icefield_api::{ReplicaReport, ReplicaState};
use icefield_spec::Name;

/// How many events of one replica may come in a row.
const BURST: u32 = 4;

/// The time after which one more may come, in milliseconds.
const REFILL: u64 = 30_000;

/// Limits the events of one replica: one that crashes all day must not push all other events out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowance {
    left: u32,
    since: u64,
}

impl Allowance {
    pub(super) const fn new(now: u64) -> Self {
        Self { left: BURST, since: now }
    }

    /// Whether an event may come now; if so it is counted.
    pub(super) fn take(&mut self, now: u64) -> bool {
        let more = now.saturating_sub(self.since) / REFILL;
        if more > 0 {
            self.left = BURST.min(self.left.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)));
            self.since = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

/// What to tell of a replica that was `before` and is `after`; `None` if it is what one expects.
pub(super) fn describe(node: &Name, before: &ReplicaReport, after: &ReplicaReport) -> Option<String> {
    if before.revision != after.revision {
        return None;
    }
    let because = after.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let was = before.state;
    match after.state {
        ReplicaState::Failed if was != ReplicaState::Failed => Some(format!("failed on {node}{because}")),
        ReplicaState::Unhealthy if was != ReplicaState::Unhealthy => Some(format!("unhealthy on {node}{because}")),
        ReplicaState::Healthy if after.restarts > before.restarts => {
            Some(format!("healthy again on {node}, after restart {}", after.restarts))
        }
        ReplicaState::Healthy if matches!(was, ReplicaState::Unhealthy | ReplicaState::Failed) => {
            Some(format!("healthy again on {node}"))
        }
        _ if after.restarts > before.restarts => {
            Some(format!("restarted on {node} ({} so far){because}", after.restarts))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Millis;

    use super::*;
    use crate::state::sample::{name, replica, revision};

    fn report(state: ReplicaState, restarts: u32, message: Option<&str>) -> ReplicaReport {
        ReplicaReport {
            replica: replica("web/0"),
            revision: revision("a"),
            state,
            pid: None,
            since: Millis::new(0),
            restarts,
            message: message.map(str::to_owned),
            exit: None,
        }
    }

    #[test]
    fn tells_of_failures_and_recoveries_only() {
        use ReplicaState::{Failed, Healthy, Running, Starting, Unhealthy};
        let cases = [
            (Starting, Healthy, 0, None, None),
            (Healthy, Healthy, 0, Some("200 in 3ms"), None),
            (Healthy, Failed, 0, Some("killed by signal 9"), Some("failed on n1: killed by signal 9")),
            (Failed, Failed, 0, None, None),
            (Failed, Starting, 1, None, Some("restarted on n1 (1 so far)")),
            (Failed, Healthy, 1, None, Some("healthy again on n1, after restart 1")),
            (Healthy, Unhealthy, 0, Some("503"), Some("unhealthy on n1: 503")),
            (Unhealthy, Healthy, 0, None, Some("healthy again on n1")),
            (Running, Healthy, 0, None, None),
        ];
        for (was, is, restarts, message, expected) in cases {
            let told = describe(&name("n1"), &report(was, 0, None), &report(is, restarts, message));
            assert_eq!(told.as_deref(), expected, "{was} → {is}");
        }
    }

    #[test]
    fn another_revision_is_another_life() {
        let mut after = report(ReplicaState::Failed, 0, None);
        after.revision = revision("b");
        assert_eq!(describe(&name("n1"), &report(ReplicaState::Healthy, 0, None), &after), None);
    }

    #[test]
    fn a_crash_loop_is_told_of_seldom() {
        let mut allowance = Allowance::new(0);
        let told = (0..6_000).filter(|second| allowance.take(second * 100)).count();
        assert!((4..=4 + 20).contains(&told), "{told} in ten minutes");
    }
}
