//! A replica's process: how it fares follows from its version's name and the time alone.

use icefield_api::{ReplicaReport, ReplicaState};
use icefield_placement::ReplicaId;
use icefield_spec::{Millis, Revision, Unit};

/// From the start to healthy.
const WARM_UP: u64 = 300;
/// From the start to the end, for a version that crashes.
const CRASH_AFTER: u64 = 200;
/// From the end to the next start.
const PAUSE: u64 = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) revision: Revision,
    version: String,
    state: ReplicaState,
    since: u64,
    restarts: u32,
    /// Of a singleton, when its supervisor kills it.
    pub(crate) fence: Option<u64>,
}

impl Process {
    pub(crate) fn start(unit: &Unit, fence: Option<u64>, now: u64) -> Self {
        let version = unit.run.command()[1].clone();
        Self { revision: unit.revision(), version, state: ReplicaState::Starting, since: now, restarts: 0, fence }
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
        }
    }
}
