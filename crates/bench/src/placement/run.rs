use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use icefield_placement::Acceptance;

use super::checker::Found;
use super::live::{Lap, Live};

/// What came of doing a shape once.
#[derive(Debug)]
pub(crate) struct Run {
    /// Those that are there at the end.
    pub(crate) nodes: u64,
    pub(crate) replicas: u64,
    pub(crate) services: u64,
    /// How many replicas were placed while it was timed.
    pub(crate) placed: u64,
    /// How many are wanted and nowhere at the end.
    pub(crate) unplaced: u64,
    /// How many of those can be nowhere.
    pub(crate) impossible: u64,
    /// The time that counts.
    pub(crate) took: Duration,
    pub(crate) lap: Lap,
    pub(crate) found: Found,
    pub(crate) checking: Duration,
    /// What is the same for the same placement.
    pub(crate) fingerprint: u64,
    /// What only this shape has to say.
    pub(crate) more: BTreeMap<&'static str, u64>,
}

impl Run {
    /// The end of a run in which `placed` replicas took `took`; `cold` if everything was placed in one go.
    pub(crate) fn new(live: &mut Live, lap: Lap, took: Duration, placed: u64, cold: bool) -> Self {
        let began = Instant::now();
        live.check(cold);
        let checking = began.elapsed();
        Self {
            nodes: live.fleet.hosts.values().filter(|host| host.acceptance != Acceptance::Lost).count() as u64,
            replicas: live.fleet.wanted(),
            services: live.fleet.services.len() as u64,
            placed,
            unplaced: live.unplaced().len() as u64,
            impossible: 0,
            took,
            lap,
            found: live.found().clone(),
            checking,
            fingerprint: live.fingerprint(),
            more: BTreeMap::new(),
        }
    }

    /// Replicas placed in each second.
    pub(crate) fn rate(&self) -> f64 {
        self.placed as f64 / self.took.as_secs_f64()
    }

    /// Whether all is placed that can be, and rightly.
    pub(crate) fn sound(&self) -> bool {
        self.unplaced <= self.impossible && self.found.count == 0
    }
}
