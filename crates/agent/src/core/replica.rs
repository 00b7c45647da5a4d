use std::time::Duration;

use icefield_api::{Exit, ReplicaState};
use icefield_spec::{Health, Millis, Unit};

use super::backoff::Backoff;
use super::checks::{Answer, Checks};
use super::{Incarnation, Moment, Timings};

/// One replica, as the agent knows it.
///
/// ```text
/// Down ──start──▶ Starting ──started──▶ Up ──stop──▶ Ending ──ended──▶ Down
///   ▲                 │ not started,     │ ended
///   │                 │ or stopped       │
///   └─────────────────┴──────────────────┘
/// ```
#[derive(Debug, Clone)]
pub(super) struct Replica {
    /// What runs, or ran last; `None` for a folder that tells nothing of it.
    pub(super) incarnation: Option<Incarnation>,
    pub(super) phase: Phase,
    pub(super) restarts: u32,
    /// What is to run once it can be started; `None` if nothing keeps it from that.
    pub(super) wanted: Option<Incarnation>,
    /// Whether its process is to be replaced by one of the same.
    pub(super) renew: bool,
    /// How long the process may take to end.
    grace: Millis,
    /// How long the process runs on after it has left discovery.
    drain: Millis,
    /// When to ask the process to end, once it is no longer wanted.
    leaves: Option<Moment>,
    backoff: Backoff,
    /// How the last process ended, or why none could be started.
    last_end: Option<String>,
    /// Of one that runs once, where that stands.
    once: Option<Once>,
    /// The state that was last reported, and since when it is so.
    shown: (ReplicaState, Moment),
}

/// How far a replica is that runs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Once {
    /// There is a folder of it and no more, so nobody knows. This says nothing of a replica that does not run once.
    Unknown,
    /// A process was started, or may have been.
    Begun,
    /// It has ended, or could not be started.
    Over(Exit),
}

#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// No process, and none being started.
    Down {
        /// When to start one; never for a replica that this agent cannot run as it is wanted.
        due: Option<Moment>,
        failed: bool,
    },
    Starting {
        /// When to ask again that it is not started after all; `None` if it is wanted.
        again: Option<Moment>,
    },
    Up {
        pid: Option<u32>,
        checks: Checks,
    },
    Ending {
        pid: Option<u32>,
        /// When to send SIGKILL.
        kill_at: Moment,
        /// For a process that is ended because it failed, not because it is no longer wanted: whether it was well once.
        failed: Option<bool>,
    },
}

/// What an agent finds of a replica when it starts.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It runs.
    Running {
        incarnation: Incarnation,
        grace: Millis,
        drain: Millis,
        restarts: u32,
        pid: Option<u32>,
        ran_for: Duration,
        was_healthy: bool,
        once: bool,
    },
    /// It is being started.
    Starting { incarnation: Incarnation, grace: Millis, drain: Millis, restarts: u32 },
    /// Its process ended while no agent was there; `once` is one that is not to be started anew.
    Ended { incarnation: Incarnation, restarts: u32, how: String, exit: Exit, once: bool },
    /// There is a folder and no more.
    Remains,
}

/// Something that has happened to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It runs, as the process `pid` if one stands for it.
    Started { pid: Option<u32> },
    /// No process could be started; `retry` if that may change.
    NotStarted { message: String, retry: bool },
    /// Its process, with all that it started, has ended.
    Ended { how: String, exit: Exit },
    /// Its health check has answered.
    Answered { answer: Answer, health: Health },
}

impl Replica {
    pub(super) const fn new(now: Moment) -> Self {
        Self {
            incarnation: None,
            phase: Phase::Down { due: Some(now), failed: false },
            restarts: 0,
            wanted: None,
            renew: false,
            grace: Unit::default_stop_grace(),
            drain: Millis::new(0),
            leaves: None,
            backoff: Backoff::new(),
            last_end: None,
            once: None,
            shown: (ReplicaState::Starting, now),
        }
    }

    pub(super) fn found(found: Found, now: Moment) -> Self {
        let new = Self::new(now);
        match found {
            Found::Remains => Self { once: Some(Once::Unknown), ..new },
            Found::Running { incarnation, grace, drain, restarts, pid, ran_for, was_healthy, once } => {
                let phase = Phase::Up { pid, checks: Checks::new(now, ran_for, was_healthy) };
                let once = once.then_some(Once::Begun);
                Self { incarnation: Some(incarnation), phase, restarts, grace, drain, once, ..new }
            }
            Found::Starting { incarnation, grace, drain, restarts } => {
                let phase = Phase::Starting { again: None };
                Self { incarnation: Some(incarnation), phase, restarts, grace, drain, ..new }
            }
            Found::Ended { incarnation, how, exit, once: true, .. } => {
                let once = Some(Once::Over(exit));
                Self { incarnation: Some(incarnation), last_end: Some(how), once, ..new }
            }
            Found::Ended { incarnation, restarts, how, .. } => {
                let phase = Phase::Down { due: Some(now), failed: true };
                let restarts = restarts.saturating_add(1);
                Self { incarnation: Some(incarnation), phase, restarts, last_end: Some(how), ..new }
            }
        }
    }

    pub(super) const fn state(&self) -> ReplicaState {
        match &self.phase {
            Phase::Down { .. } if matches!(self.once, Some(Once::Over(Exit { code: Some(0), .. }))) => {
                ReplicaState::Completed
            }
            Phase::Down { .. } if self.is_over() => ReplicaState::Failed,
            Phase::Down { failed: true, .. } => ReplicaState::Failed,
            Phase::Down { failed: false, .. } | Phase::Starting { again: None } => ReplicaState::Starting,
            Phase::Starting { again: Some(_) } => ReplicaState::Stopping,
            Phase::Up { .. } if self.leaves.is_some() => ReplicaState::Stopping,
            Phase::Up { checks, .. } => checks.state(),
            Phase::Ending { failed: Some(_), .. } => ReplicaState::Unhealthy,
            Phase::Ending { failed: None, .. } => ReplicaState::Stopping,
        }
    }

    /// Of one that runs once: does not start what may have run already.
    pub(super) fn give_up(&mut self, incarnation: Incarnation) {
        if self.once == Some(Once::Unknown) {
            self.incarnation = Some(incarnation);
            self.last_end = Some("nobody knows whether it has run: there is no record of it".into());
            self.once = Some(Once::Over(Exit { code: None, took: Millis::default() }));
        }
    }

    /// Whether it did or does run, or may have, if it is one that runs once.
    pub(super) const fn is_begun(&self) -> bool {
        self.once.is_some()
    }

    /// Whether it runs once, and has ended.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.once, Some(Once::Over(_)))
    }

    /// How it ended, if it runs once.
    pub(super) const fn exit(&self) -> Option<Exit> {
        match self.once {
            Some(Once::Over(exit)) => Some(exit),
            Some(Once::Begun | Once::Unknown) | None => None,
        }
    }

    /// Whether it has no process, and none is being started.
    pub(super) const fn is_down(&self) -> bool {
        matches!(self.phase, Phase::Down { .. })
    }

    /// Since when it has been in its state; to be asked after every change.
    pub(super) fn since(&mut self, now: Moment) -> Moment {
        let state = self.state();
        if self.shown.0 != state {
            self.shown = (state, now);
        }
        self.shown.1
    }

    pub(super) const fn pid(&self) -> Option<u32> {
        match &self.phase {
            Phase::Up { pid, .. } | Phase::Ending { pid, .. } => *pid,
            Phase::Down { .. } | Phase::Starting { .. } => None,
        }
    }

    pub(super) fn message(&self) -> Option<String> {
        let ended = self.last_end.as_deref();
        match &self.phase {
            Phase::Up { checks, .. } => {
                checks.message().map(str::to_owned).or_else(|| ended.map(|how| format!("started anew after: {how}")))
            }
            _ => ended.map(str::to_owned),
        }
    }

    /// Sets out to start a process.
    pub(super) fn start(&mut self, incarnation: Incarnation, unit: &Unit) {
        if self.incarnation.as_ref() != Some(&incarnation) {
            self.restarts = 0;
            self.backoff.forgive();
            self.last_end = None;
            self.incarnation = Some(incarnation);
        }
        self.grace = unit.stop_grace;
        self.drain = drain(unit);
        self.leaves = None;
        self.once = unit.once.then_some(Once::Begun);
        self.wanted = None;
        self.renew = false;
        self.phase = Phase::Starting { again: None };
    }

    /// Takes note that its process is no longer wanted; whether it is to be asked to end now. One that serves is not before
    /// its callers have had time to learn that it has left discovery.
    pub(super) fn leave(&mut self, now: Moment) -> bool {
        let serves = self.leaves.is_some() || self.state() == ReplicaState::Healthy;
        let drain = if serves { self.drain.duration() } else { Duration::ZERO };
        *self.leaves.get_or_insert(now + drain) <= now
    }

    /// Takes note that its process is wanted, though it may not have been for a while.
    pub(super) const fn stay(&mut self) {
        self.leaves = None;
    }

    /// When to ask the process to end, once it is no longer wanted.
    pub(super) const fn leaves(&self) -> Option<Moment> {
        self.leaves
    }

    /// Sets out to end the process, because it failed or is no longer wanted.
    pub(super) fn stop(&mut self, failed: bool, now: Moment) {
        if let Phase::Up { pid, checks } = &self.phase {
            let (pid, failed) = (*pid, failed.then(|| checks.was_healthy()));
            self.leaves = None;
            self.phase = Phase::Ending { pid, kill_at: now + self.grace.duration(), failed };
        }
    }

    /// Takes note of what has happened.
    pub(super) fn note(&mut self, event: Event, timings: &Timings, now: Moment) {
        if self.once == Some(Once::Begun) && self.note_end(&event) {
            return;
        }
        match (event, &mut self.phase) {
            (Event::Started { pid }, Phase::Starting { .. }) => {
                self.phase = Phase::Up { pid, checks: Checks::new(now, Duration::ZERO, false) };
            }
            (Event::NotStarted { .. }, Phase::Starting { again: Some(_) }) => {
                self.phase = Phase::Down { due: Some(now), failed: false };
            }
            (Event::NotStarted { message, retry: false }, Phase::Starting { .. }) => {
                self.phase = Phase::Down { due: None, failed: true };
                self.last_end = Some(message);
            }
            (Event::NotStarted { message, retry: true }, Phase::Starting { .. }) => {
                self.fail(message, false, timings, now);
            }
            (Event::Ended { how, .. }, Phase::Up { checks, .. }) => {
                if checks.healthy_for(now).is_some_and(|healthy| healthy >= timings.forgiven_after) {
                    self.backoff.forgive();
                }
                let proven = checks.was_healthy() || checks.age(now) >= timings.proven_after;
                self.restarts = self.restarts.saturating_add(1);
                self.fail(how, proven, timings, now);
            }
            (Event::Ended { .. }, Phase::Ending { failed: Some(proven), .. }) => {
                let (proven, why) = (*proven, self.last_end.take().unwrap_or_default());
                self.restarts = self.restarts.saturating_add(1);
                self.fail(why, proven, timings, now);
            }
            (Event::Ended { .. }, Phase::Ending { failed: None, .. }) => {
                self.phase = Phase::Down { due: Some(now), failed: false };
            }
            (Event::Answered { answer, health }, Phase::Up { checks, .. }) => {
                let said = checks.answered(answer, &health, now);
                if checks.is_lost() {
                    self.last_end = Some(said);
                }
            }
            // An answer that came too late, or news of a process that is no longer this replica's.
            _ => {}
        }
    }

    /// Whether this is the end of one that runs once: it is over when its process has ended, however that came; and when it could not be started, as nobody
    /// knows whether it ran for a moment.
    fn note_end(&mut self, event: &Event) -> bool {
        let (how, exit) = match (event, &self.phase) {
            (Event::NotStarted { message, .. }, Phase::Starting { .. }) => {
                (message, Exit { code: None, took: Millis::default() })
            }
            (Event::Ended { how, exit }, Phase::Up { .. } | Phase::Ending { .. }) => (how, *exit),
            _ => return false,
        };
        self.once = Some(Once::Over(exit));
        self.last_end = Some(how.clone());
        self.phase = Phase::Down { due: None, failed: false };
        true
    }

    fn fail(&mut self, why: String, proven: bool, timings: &Timings, now: Moment) {
        let pause = self.backoff.fail(proven, timings);
        self.leaves = None;
        self.phase = Phase::Down { due: Some(now + pause), failed: true };
        self.last_end = Some(why);
    }
}

/// How long a replica of `unit` runs on after it has left discovery. Where it has no ports, nobody calls it, and of jobs
/// discovery does not tell.
pub(crate) fn drain(unit: &Unit) -> Millis {
    if unit.ports.is_empty() || unit.once { Millis::default() } else { unit.drain }
}
