use std::collections::BTreeMap;

use icefield_api::{Exit, ReplicaReport, ReplicaState};
use icefield_placement::ReplicaId;
use icefield_spec::{Millis, Revision, Unit};

/// From the start to healthy, in milliseconds.
const WARM_UP: u64 = 250;
/// From the start to the end, for a version that crashes.
const CRASH_AFTER: u64 = 150;
/// From the end to the next start.
const PAUSE: u64 = 300;
/// From the start to the end of one that runs once.
const RUN: u64 = 600;

/// A replica's process: how it fares follows from its version's name and the time alone.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) revision: Revision,
    pub(crate) is_singleton: bool,
    /// The values of its secrets, by the numbers of their versions.
    pub(crate) secrets: BTreeMap<u64, String>,
    /// Of one that runs once, how it ended.
    exit: Option<Exit>,
    is_once: bool,
    version: String,
    state: ReplicaState,
    since: u64,
    restarts: u32,
}

impl Process {
    /// A process that starts now.
    pub(crate) fn start(unit: &Unit, secrets: BTreeMap<u64, String>, is_singleton: bool, now: u64) -> Self {
        let version = unit.run.command().last().cloned().unwrap_or_default();
        Self {
            revision: unit.revision(),
            is_singleton,
            secrets,
            exit: None,
            is_once: unit.once,
            version,
            state: ReplicaState::Starting,
            since: now,
            restarts: 0,
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.state == ReplicaState::Healthy
    }

    /// Its end by itself, or by its supervisor's hand.
    pub(crate) fn crash(&mut self, now: u64) {
        if self.runs_once() {
            self.end(1, now);
        } else if !self.is_once {
            self.turn(ReplicaState::Failed, now);
        }
    }

    /// Its machine lost power; whether its disk still tells of it.
    pub(crate) fn outlives_power(&mut self, now: u64) -> bool {
        self.crash(now);
        self.is_once
    }

    /// Whether it is one that runs once, and does.
    pub(crate) fn runs_once(&self) -> bool {
        self.is_once && self.exit.is_none()
    }

    fn end(&mut self, code: i32, now: u64) {
        self.exit = Some(Exit { code: Some(code), took: Millis::new(now.saturating_sub(self.since)) });
        self.turn(if code == 0 { ReplicaState::Completed } else { ReplicaState::Failed }, now);
    }

    /// Lets time pass: a version whose name ends with "crash" ends soon after each start, one with "never", or
    /// with a secret that ends with "bad", stays unhealthy, all others become healthy. It starts again only where it `may` run.
    pub(crate) fn pass(&mut self, may: bool, now: u64) {
        let age = now.saturating_sub(self.since);
        if self.is_once {
            match age {
                _ if !self.runs_once() => {}
                _ if !may => self.end(137, now),
                RUN.. => self.end(i32::from(self.version.ends_with("crash")), now),
                _ => {}
            }
            return;
        }
        match self.state {
            ReplicaState::Failed if may && age >= PAUSE => {
                self.restarts += 1;
                self.turn(ReplicaState::Starting, now);
            }
            ReplicaState::Failed => {}
            _ if !may => self.crash(now),
            ReplicaState::Starting if self.version.ends_with("crash") && age >= CRASH_AFTER => self.crash(now),
            ReplicaState::Starting if self.is_never_healthy() && age >= WARM_UP => {
                self.turn(ReplicaState::Unhealthy, now);
            }
            ReplicaState::Starting if age >= WARM_UP => self.turn(ReplicaState::Healthy, now),
            _ => {}
        }
    }

    fn is_never_healthy(&self) -> bool {
        self.version.ends_with("never") || self.secrets.values().any(|value| value.ends_with("bad"))
    }

    fn turn(&mut self, state: ReplicaState, now: u64) {
        self.state = state;
        self.since = now;
    }

    /// Whether there is a process.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.state, ReplicaState::Failed | ReplicaState::Completed)
    }

    pub(crate) fn report(&self, replica: &ReplicaId, now: u64) -> ReplicaReport {
        ReplicaReport {
            replica: replica.clone(),
            revision: self.revision,
            state: self.state,
            pid: Some(1 + self.restarts),
            since: Millis::new(now.saturating_sub(self.since)),
            restarts: self.restarts,
            message: (self.state == ReplicaState::Failed || self.restarts > 0).then(|| "exit status 1".to_owned()),
            exit: self.exit,
        }
    }
}
