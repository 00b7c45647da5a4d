use std::time::Duration;

use icefield_api::ReplicaState;
use icefield_spec::Health;

use super::{Moment, Timings};
use crate::beat::beat;

/// What a health check said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    Bad(String),
}

/// How one process stands with its health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checks {
    /// When the process began to run, as far as this agent counts.
    up_since: Moment,
    /// How long it had run before that.
    ran_before: Duration,
    /// Since when it has been healthy.
    healthy_since: Option<Moment>,
    /// Whether it ever was.
    was_healthy: bool,
    /// Bad answers in a row.
    failures: u32,
    /// When to ask next; never while an answer is awaited.
    ask_at: Option<Moment>,
    asked_at: Moment,
    last_bad: Option<String>,
    lost: bool,
}

impl Checks {
    /// The shortest and the longest time between two questions before the first good answer. In between, it is a tenth
    /// of the time since the start, so that a slow start costs few questions and a fast one little waiting.
    const FIRST_GAP: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

    pub(super) fn new(now: Moment, ran_before: Duration, was_healthy: bool) -> Self {
        Self {
            up_since: now,
            ran_before,
            healthy_since: was_healthy.then_some(now),
            was_healthy,
            failures: 0,
            ask_at: Some(now),
            asked_at: now,
            last_bad: None,
            lost: false,
        }
    }

    /// How long the process has run.
    pub(super) fn age(&self, now: Moment) -> Duration {
        now.saturating_sub(self.up_since) + self.ran_before
    }

    pub(super) const fn state(&self) -> ReplicaState {
        match (self.lost, self.healthy_since) {
            (true, _) => ReplicaState::Unhealthy,
            (false, Some(_)) => ReplicaState::Healthy,
            (false, None) => ReplicaState::Running,
        }
    }

    pub(super) const fn was_healthy(&self) -> bool {
        self.was_healthy
    }

    pub(super) fn healthy_for(&self, now: Moment) -> Option<Duration> {
        self.healthy_since.map(|since| now.saturating_sub(since))
    }

    /// What the last answer was, if it was bad.
    pub(super) fn message(&self) -> Option<&str> {
        self.last_bad.as_deref()
    }

    /// When something is due.
    pub(super) fn due(&self, health: Option<&Health>, timings: &Timings) -> Option<Moment> {
        match health {
            _ if self.lost => None,
            Some(_) => self.ask_at,
            None if self.healthy_since.is_some() => None,
            None => Some((self.up_since + timings.alive_for).saturating_sub(self.ran_before)),
        }
    }

    /// Takes note of time; whether the question is to be put now.
    pub(super) fn tick(&mut self, health: Option<&Health>, timings: &Timings, now: Moment) -> bool {
        if self.due(health, timings).is_none_or(|due| due > now) {
            return false;
        }
        if health.is_none() {
            self.be_healthy(now);
            return false;
        }
        self.ask_at = None;
        self.asked_at = now;
        true
    }

    /// Whether its health check has failed for good.
    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Takes note of an answer, and gives in words where that leaves the process.
    pub(super) fn answered(&mut self, answer: Answer, health: &Health, now: Moment) -> String {
        let said = match answer {
            Answer::Good => {
                self.be_healthy(now);
                String::new()
            }
            Answer::Bad(message) => {
                self.failures = self.failures.saturating_add(1);
                let (lost, said) = if self.was_healthy {
                    (
                        self.failures >= health.threshold,
                        format!("unhealthy: {message}, {} times in a row", self.failures),
                    )
                } else {
                    (
                        self.age(now) >= health.grace.duration(),
                        format!("not healthy within {}: {message}", health.grace),
                    )
                };
                self.lost = lost;
                self.last_bad = Some(message);
                said
            }
        };
        self.ask_at = Some(self.next(health, now).max(now));
        said
    }

    /// When the next question is due: often at first, and then once in its interval.
    fn next(&self, health: &Health, now: Moment) -> Moment {
        let (gap, interval) = (self.gap(health, now), health.interval.duration());
        let latest = self.asked_at + gap;
        if gap < interval { latest } else { beat(latest, interval) }
    }

    fn gap(&self, health: &Health, now: Moment) -> Duration {
        let interval = health.interval.duration();
        if self.was_healthy {
            return interval;
        }
        let (shortest, longest) = Self::FIRST_GAP;
        (self.age(now) / 10).clamp(shortest, longest).min(interval)
    }

    fn be_healthy(&mut self, now: Moment) {
        self.healthy_since.get_or_insert(now);
        self.was_healthy = true;
        self.failures = 0;
        self.last_bad = None;
    }
}
