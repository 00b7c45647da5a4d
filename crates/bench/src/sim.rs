use std::collections::BTreeMap;
use std::io::Write;
use std::thread::available_parallelism;
use std::time::Instant;

use clap::Args;
use icefield_sim::{Setup, Tally};
use serde::Serialize;

use crate::Failure;
use crate::machine::Machine;

/// What is run.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many threads; by default as many as there are processors
    #[arg(long)]
    threads: Option<usize>,
}

/// What the seeds came to.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    measures: &'static str,
    seeds: u64,
    from: u64,
    /// The seeds that failed.
    failures: Vec<u64>,
    virtual_hours: f64,
    /// How often what failed, by kind.
    faults: BTreeMap<&'static str, u64>,
    messages: u64,
    commits: u64,
    acknowledged_writes: u64,
    reads: u64,
    seconds: f64,
    threads: usize,
    machine: Machine,
}

/// Runs the seeds; each one that fails is told of at once, with what happened and how to see it again.
pub(crate) fn measure(sim: &Sim) -> Result<Figure, Failure> {
    /// How many seeds are run until it is looked which have failed.
    const BATCH: u64 = 1_000;
    let Sim { seeds, from, .. } = *sim;
    let threads = sim.threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    let mut all = Tally::default();
    while all.seeds < seeds {
        let first = from.saturating_add(all.seeds);
        let batch = Tally::of(first..first.saturating_add(BATCH.min(seeds - all.seeds)), Setup::default(), threads);
        if batch.seeds == 0 {
            return Err("there are no seeds beyond the largest number".into());
        }
        for outcome in &batch.failures {
            writeln!(std::io::stderr(), "{outcome}\n")?;
        }
        all.merge(batch);
    }
    Ok(Figure {
        name: "sim",
        measures: "runs of the whole control plane under simulated faults, each from its seed",
        seeds: all.seeds,
        from,
        failures: all.failures.iter().map(|outcome| outcome.seed).collect(),
        virtual_hours: all.virtual_ms as f64 / 3_600e3,
        faults: all.faults,
        messages: all.messages,
        commits: all.commits,
        acknowledged_writes: all.acknowledged,
        reads: all.reads,
        seconds: began.elapsed().as_secs_f64(),
        threads,
        machine: Machine::this(),
    })
}

impl Figure {
    /// An error if a seed failed.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        match self.failures.len() {
            0 => Ok(()),
            count => Err(format!("{count} of {} seeds failed", self.seeds).into()),
        }
    }
}
