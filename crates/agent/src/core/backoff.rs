use std::time::Duration;

/// The lengths of time that an agent goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// How long a replica without a health check must have run to count as healthy.
    pub alive_for: Duration,
    /// The first pause before a replica that failed is started anew; each one after it is twice as long.
    pub first_pause: Duration,
    /// The longest such pause.
    pub longest_pause: Duration,
    /// A replica that ran for so long, or was healthy at all, is the first time started anew without a pause.
    pub proven_after: Duration,
    /// A replica that was healthy for so long has its failures forgiven.
    pub forgiven_after: Duration,
    /// What changes within this time is told to replicas' files together.
    pub files_apart: Duration,
    /// A replica that is started anew because a file has changed waits so long for each replica with a smaller index.
    pub renewals_apart: Duration,
    /// How long after SIGKILL it is sent again.
    pub kill_again: Duration,
    /// The time from one heartbeat to the next until a server has named another.
    pub heartbeat: Duration,
    /// How long an agent waits for a new generation in one request.
    pub wait: Duration,
    /// The pause after a request that no server answered.
    pub retry: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            alive_for: Duration::from_millis(500),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(30),
            proven_after: Duration::from_secs(10),
            forgiven_after: Duration::from_secs(2),
            files_apart: Duration::from_millis(500),
            renewals_apart: Duration::from_secs(2),
            kill_again: Duration::from_secs(5),
            heartbeat: Duration::from_millis(250),
            wait: Duration::from_secs(30),
            retry: Duration::from_millis(250),
        }
    }
}

/// How often in a row a replica has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { failures: 0 }
    }

    /// Takes note of a failure and gives the pause before the next start; `proven` is a replica that was well before.
    pub(super) fn fail(&mut self, proven: bool, timings: &Timings) -> Duration {
        if self.failures == 0 && proven {
            self.failures = 1;
            return Duration::ZERO;
        }
        let pauses = self.failures.max(1);
        self.failures = pauses + 1;
        let factor = 1u32.checked_shl(pauses - 1).unwrap_or(u32::MAX);
        timings.first_pause.saturating_mul(factor).min(timings.longest_pause)
    }

    pub(super) fn forgive(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(mut backoff: Backoff, proven: bool, count: usize) -> Vec<u128> {
        (0..count).map(|_| backoff.fail(proven, &Timings::default()).as_millis()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let fresh = Backoff::new();
        assert_eq!(pauses(fresh, false, 4), [100, 200, 400, 800]);
        assert_eq!(pauses(fresh, true, 4), [0, 100, 200, 400]);
        assert_eq!(pauses(fresh, false, 100)[98..], [30_000, 30_000]);
    }

    #[test]
    fn forgiveness_begins_anew() {
        let mut backoff = Backoff::new();
        pauses(backoff, false, 3);
        backoff.fail(false, &Timings::default());
        backoff.forgive();
        assert_eq!(backoff, Backoff::new());
    }
}
