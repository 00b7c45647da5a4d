use std::fmt;

use crate::Cost;

/// How long and how hard to look.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// What the chances depend on.
    pub seed: u64,
    /// How many threads look; they tell each other of the best. At least one.
    pub threads: usize,
    /// How many changes to consider in all; `None`: until told to stop.
    pub steps: Option<u64>,
    /// Whether to stop; asked every few hundred steps, by each thread.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// How much of the time is spent, from 0 to 1, where that is known: then the search comes to rest at its end. It is
    /// not asked where there are `steps`.
    pub spent: Option<&'a (dyn Fn() -> f64 + Sync)>,
}

impl fmt::Debug for Effort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, threads, steps, .. } = self;
        f.debug_struct("Effort")
            .field("seed", seed)
            .field("threads", threads)
            .field("steps", steps)
            .finish_non_exhaustive()
    }
}

/// What the search has come to so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The cost of the best layout that the reporting thread knows.
    pub cost: Cost,
    /// How many changes it has considered.
    pub steps: u64,
}
