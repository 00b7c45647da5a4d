use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What all simulated agents share: the way to the servers, and what is counted.
pub(super) struct Fleet {
    /// Where the servers listen.
    addresses: Vec<String>,
    /// The one that agents go to first.
    preferred: AtomicUsize,
    placed: AtomicUsize,
    registered: AtomicUsize,
    heartbeats: Mutex<Heartbeats>,
    failures: AtomicU64,
    /// What the first failure was.
    failure: Mutex<Option<String>>,
}

/// The heartbeats that were answered since they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    pub(super) answered: u64,
    /// How long each took, in microseconds.
    micros: Vec<u32>,
}

impl Fleet {
    pub(super) fn new(addresses: Vec<String>) -> Self {
        Self {
            addresses,
            preferred: AtomicUsize::default(),
            placed: AtomicUsize::default(),
            registered: AtomicUsize::default(),
            heartbeats: Mutex::default(),
            failures: AtomicU64::default(),
            failure: Mutex::default(),
        }
    }

    /// The server for the attempt of this number.
    pub(super) fn server(&self, attempt: usize) -> String {
        let at = self.preferred.load(Ordering::Relaxed) + attempt;
        self.addresses[at % self.addresses.len()].clone()
    }

    /// Has agents go to the server that leads, as they do once an answer has told them which.
    pub(super) fn prefer(&self, leader: &str) {
        if let Some(at) = self.addresses.iter().position(|address| address == leader) {
            self.preferred.store(at, Ordering::Relaxed);
        }
    }

    pub(super) fn answered(&self, took: Duration, is_first: bool) {
        if is_first {
            self.registered.fetch_add(1, Ordering::Relaxed);
        }
        let mut heartbeats = lock(&self.heartbeats);
        heartbeats.answered += 1;
        heartbeats.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(super) fn failed(&self, why: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        lock(&self.failure).get_or_insert_with(|| why.to_owned());
    }

    /// An agent that knew of `before` replicas knows of `after` now.
    pub(super) fn placed(&self, before: usize, after: usize) {
        self.placed.fetch_add(after, Ordering::Relaxed);
        self.placed.fetch_sub(before, Ordering::Relaxed);
    }

    /// How many replicas agents know of.
    pub(super) fn replicas(&self) -> usize {
        self.placed.load(Ordering::Relaxed)
    }

    /// How many agents have been answered.
    pub(super) fn agents(&self) -> usize {
        self.registered.load(Ordering::Relaxed)
    }

    /// How many requests have failed, and why the first did.
    pub(super) fn failures(&self) -> (u64, Option<String>) {
        (self.failures.load(Ordering::Relaxed), lock(&self.failure).clone())
    }

    /// The heartbeats since this was last called.
    pub(super) fn take_heartbeats(&self) -> Heartbeats {
        std::mem::take(&mut *lock(&self.heartbeats))
    }
}

impl Heartbeats {
    /// 99 of 100 took no longer, in milliseconds.
    pub(super) fn p99_ms(&mut self) -> f64 {
        self.micros.sort_unstable();
        let rank = (self.micros.len() * 99).div_ceil(100).max(1);
        self.micros.get(rank - 1).map_or(f64::NAN, |micros| f64::from(*micros) / 1e3)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
