use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::outcome::Outcome;
use crate::run::{Setup, run};

/// What many seeds came to together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many seeds were run.
    pub seeds: u64,
    /// Those at which something was not as it must be, by seed.
    pub failures: Vec<Outcome>,
    /// How long they took by the simulated clock, in milliseconds.
    pub virtual_ms: u64,
    /// How many commands servers agreed on.
    pub commits: u64,
    /// How many messages were sent.
    pub messages: u64,
    /// How many writes clients were told to be done.
    pub acknowledged: u64,
    /// How many linearizable reads clients made.
    pub reads: u64,
    /// How often what failed, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Runs all `seeds` on so many threads. A failure ends nothing: the rest is run all the same.
    pub fn of(seeds: Range<u64>, setup: Setup, threads: usize) -> Self {
        let (next, tally) = (AtomicU64::new(seeds.start), Mutex::new(Self::default()));
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                let outcome = run(seed, setup);
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
            }
        };
        thread::scope(|scope| (0..threads.max(1)).for_each(|_| drop(scope.spawn(work))));
        let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        tally.failures.sort_by_key(|outcome| outcome.seed);
        tally
    }

    /// Takes up what other seeds came to.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.failures.extend(other.failures);
        self.virtual_ms += other.virtual_ms;
        self.commits += other.commits;
        self.messages += other.messages;
        self.acknowledged += other.acknowledged;
        self.reads += other.reads;
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }

    fn add(&mut self, outcome: Outcome) {
        self.merge(Self {
            seeds: 1,
            virtual_ms: outcome.virtual_ms,
            commits: outcome.commits,
            messages: outcome.messages,
            acknowledged: outcome.acknowledged,
            reads: outcome.reads,
            faults: outcome.faults.clone(),
            failures: outcome.failure.is_some().then_some(outcome).into_iter().collect(),
        });
    }
}
