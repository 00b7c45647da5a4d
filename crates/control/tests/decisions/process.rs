//! A replica's process: how it fares follows from its version's name and the time alone.

use icefield_api::{Exit, ReplicaReport, ReplicaState};
use icefield_placement::ReplicaId;
use icefield_spec::{Millis, Revision, Unit};

/// From the start to healthy.
const WARM_UP: u64 = 300;
/// From the start to the end, for a version that crashes.
const CRASH_AFTER: u64 = 200;
/// From the end to the next start.
const PAUSE: u64 = 300;
/// From the start to the end of one that runs once.
const RUN: u64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) revision: Revision,
    version: String,
    state: ReplicaState,
    since: u64,
    restarts: u32,
    /// Of one that runs once, how it ended.
    exit: Option<Exit>,
    once: bool,
    index: u32,
    /// Of a singleton, when its supervisor kills it.
    pub(crate) fence: Option<u64>,
}

impl Process {
    pub(crate) fn start(unit: &Unit, index: u32, fence: Option<u64>, now: u64) -> Self {
        let version = unit.run.command()[1].clone();
        let (revision, state) = (unit.revision(), ReplicaState::Starting);
        Self { revision, version, state, since: now, restarts: 0, exit: None, once: unit.once, index, fence }
    }

    /// Its supervisor kills it; whether something is left that is to be told of, as of one that runs once.
    pub(crate) fn is_killed(&mut self, now: u64) -> bool {
        if self.runs_once() {
            self.exit = Some(Exit { code: None, took: Millis::default() });
            self.turn(ReplicaState::Failed, now);
        }
        self.once
    }

    /// Of one that runs once, whether there is a process of it.
    pub(crate) fn runs_once(&self) -> bool {
        self.once && self.exit.is_none()
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.state == ReplicaState::Healthy
    }

    /// Its end by itself.
    pub(crate) fn crash(&mut self, now: u64) {
        self.turn(ReplicaState::Failed, now);
    }

    /// Lets time pass: "…crash" ends soon after each start, "…never" stays unhealthy, all others become healthy.
    pub(crate) fn pass(&mut self, now: u64) {
        let age = now - self.since;
        if self.once {
            return self.pass_once(age, now);
        }
        match self.state {
            ReplicaState::Failed if age >= PAUSE => {
                self.restarts += 1;
                self.turn(ReplicaState::Starting, now);
            }
            ReplicaState::Starting if self.version.ends_with("crash") && age >= CRASH_AFTER => self.crash(now),
            ReplicaState::Starting if self.version.ends_with("never") && age >= WARM_UP => {
                self.turn(ReplicaState::Unhealthy, now);
            }
            ReplicaState::Starting if age >= WARM_UP => self.turn(ReplicaState::Healthy, now),
            _ => {}
        }
    }

    /// One that runs once ends after a second: "…fails" with 1, "…third" too unless it is the third at least; "…long" never.
    fn pass_once(&mut self, age: u64, now: u64) {
        if self.exit.is_some() || age < RUN || self.version.ends_with("long") {
            return;
        }
        let fails = self.version.ends_with("fails") || self.version.ends_with("third") && self.index < 2;
        self.exit = Some(Exit { code: Some(i32::from(fails)), took: Millis::new(age) });
        self.turn(if fails { ReplicaState::Failed } else { ReplicaState::Completed }, now);
    }

    fn turn(&mut self, state: ReplicaState, now: u64) {
        self.state = state;
        self.since = now;
    }

    pub(crate) fn report(&self, replica: &ReplicaId, now: u64) -> ReplicaReport {
        ReplicaReport {
            replica: replica.clone(),
            revision: self.revision,
            state: self.state,
            pid: Some(1 + self.restarts),
            since: Millis::new(now - self.since),
            restarts: self.restarts,
            message: (self.state == ReplicaState::Failed || self.restarts > 0).then(|| "exit status 1".to_owned()),
            exit: self.exit,
        }
    }
}
