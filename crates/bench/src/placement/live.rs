use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use icefield_placement::{ChangeKind, Demand, Engine, Host, Placement, Unplaced};
use icefield_spec::Name;
use rustix::time::{ClockId, clock_gettime};

use super::checker::{self, Found};
use super::fleet::Fleet;
use super::memory;

/// An engine, and beside it what it was fed and what it has decided, for the checker.
///
/// Only the engine's own work is timed, not the bookkeeping.
pub(crate) struct Live {
    engine: Engine,
    pub(crate) fleet: Fleet,
    placement: Placement,
    unplaced: Vec<Unplaced>,
    lap: Lap,
    found: Found,
}

/// What the engine did since the last time someone asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lap {
    /// Being told what has changed.
    pub(crate) feed: Duration,
    /// Deciding.
    pub(crate) solve: Duration,
    /// The processor time of deciding.
    pub(crate) solve_cpu: Duration,
    /// Taking its own changes for done.
    pub(crate) accept: Duration,
    /// Replicas that were nowhere and were placed.
    pub(crate) placed: u64,
    /// Replicas that went to another node.
    pub(crate) moved: u64,
    /// Replicas that were taken off their node.
    pub(crate) removed: u64,
    /// The most memory that the process ever had when the changes were accepted.
    pub(crate) peak_memory: u64,
}

impl Lap {
    /// From the first change to the answer, and taking it for done.
    pub(crate) fn total(&self) -> Duration {
        self.feed + self.solve + self.accept
    }
}

impl Live {
    /// An engine that was fed `fleet` and has not decided yet.
    pub(crate) fn new(fleet: Fleet) -> Self {
        let mut lap = Lap::default();
        let (hosts, services) = (fleet.hosts.clone(), fleet.services.clone());
        let quotas = fleet.quotas.clone();
        let mut engine = Engine::new();
        time(&mut lap.feed, || {
            for host in hosts.into_values() {
                engine.set_host(host);
            }
            for (name, quota) in quotas {
                engine.set_quota(name, Some(quota));
            }
            for (name, demands) in services {
                engine.set_service(name, demands);
            }
        });
        Self { engine, fleet, placement: Placement::default(), unplaced: Vec::new(), lap, found: Found::default() }
    }

    pub(crate) fn set_host(&mut self, host: Host) {
        self.fleet.add_host(host.clone());
        time(&mut self.lap.feed, || self.engine.set_host(host));
    }

    pub(crate) fn remove_host(&mut self, name: &Name) {
        self.fleet.hosts.remove(name);
        time(&mut self.lap.feed, || self.engine.remove_host(name));
    }

    /// Sets what is wanted of a service; nothing ends it.
    pub(crate) fn set_service(&mut self, name: &Name, demands: Vec<Demand>) {
        match demands.is_empty() {
            true => self.fleet.services.remove(name),
            false => self.fleet.services.insert(name.clone(), demands.clone()),
        };
        let name = name.clone();
        time(&mut self.lap.feed, || self.engine.set_service(name, demands));
    }

    /// Makes a demand be for one replica on each node that its rules admit.
    pub(crate) fn set_daemon(&mut self, name: &Name, mut demand: Demand) {
        demand.ties =
            time(&mut self.lap.feed, || self.engine.daemon_ties(name, &demand.rules, demand.driver.as_deref()));
        demand.indexes = demand.ties.keys().copied().collect();
        self.set_service(name, vec![demand]);
    }

    /// Has the engine decide, and takes that for done.
    pub(crate) fn solve(&mut self) {
        let before = cpu();
        let solution = time(&mut self.lap.solve, || self.engine.solve());
        self.lap.solve_cpu += cpu().saturating_sub(before);
        time(&mut self.lap.accept, || self.engine.accept(&solution.changes));
        self.lap.peak_memory = memory::peak();
        for change in solution.changes {
            match change.kind {
                ChangeKind::Place { to } => {
                    self.lap.placed += 1;
                    self.placement.insert(change.replica, to);
                }
                ChangeKind::Move { to, .. } => {
                    self.lap.moved += 1;
                    self.placement.insert(change.replica, to);
                }
                ChangeKind::Replace { to } => {
                    self.placement.insert(change.replica, to);
                }
                ChangeKind::Remove { .. } => {
                    self.lap.removed += 1;
                    self.placement.remove(&change.replica);
                }
            }
        }
        self.unplaced = solution.unplaced;
    }

    /// What was done since the last lap began; begins another.
    pub(crate) fn lap(&mut self) -> Lap {
        std::mem::take(&mut self.lap)
    }

    /// Where everything is.
    pub(crate) fn placement(&self) -> &Placement {
        &self.placement
    }

    /// A number that is the same for the same placement, and hardly ever for another.
    pub(crate) fn fingerprint(&self) -> u64 {
        // Unlike a map's own, this hasher has no seed of its own.
        let mut hasher = DefaultHasher::new();
        for (replica, at) in self.placement.iter() {
            (replica, &at.node, &at.ports).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Replicas that are wanted and are nowhere.
    pub(crate) fn unplaced(&self) -> &[Unplaced] {
        &self.unplaced
    }

    /// Checks the placement as it is; `cold` if every replica of it was placed in one go.
    pub(crate) fn check(&mut self, cold: bool) {
        let Fleet { hosts, services, quotas } = &self.fleet;
        let (placement, unplaced) = (&self.placement, self.unplaced.as_slice());
        let found = checker::check(&checker::Case { hosts, services, quotas, placement, unplaced, cold });
        self.found.add(found);
    }

    /// What was wrong whenever it was checked.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }
}

/// Adds to `sum` how long `work` takes.
fn time<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *sum += began.elapsed();
    done
}

/// The processor time that this process has used, on all cores together.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec as u32)
}
