use std::collections::BTreeMap;

use serde::Serialize;

use super::checker::Found;
use super::run::Run;
use super::shape::Shape;
use super::sizes::Sizes;
use crate::machine::Machine;

/// How fast a shape is placed. What is not said to be of all runs is of the median one.
#[derive(Debug, Serialize)]
pub(crate) struct ShapeFigure {
    /// The figure.
    name: &'static str,
    /// Which shape.
    shape: &'static str,
    /// What is timed.
    measures: &'static str,
    /// How many nodes there are at the end.
    nodes: u64,
    /// How many replicas are wanted at the end.
    replicas: u64,
    /// Of how many services.
    services: u64,
    seed: u64,
    /// How many times it was done.
    runs: usize,
    /// `placed` in each of the `seconds`.
    replicas_per_second: f64,
    /// What it is to reach.
    goal_replicas_per_second: f64,
    /// Whether it does, every run places all that can be and all in the same way, and there are no violations.
    met: bool,
    /// Whether every run ends with the same placement.
    same_every_time: bool,
    /// Replicas placed while it was timed; one that was placed twice counts twice.
    placed: u64,
    /// Replicas that are wanted and nowhere at the end.
    unplaced: u64,
    /// How many of those can be nowhere.
    unplaced_rightly: u64,
    /// The time that counts.
    seconds: f64,
    /// That of every run, rising.
    seconds_of_runs: Vec<f64>,
    /// Telling the engine what there is and what has changed.
    feed_seconds: f64,
    /// Deciding.
    solve_seconds: f64,
    /// The processor time of that: less where others share the machine, more where it takes several cores.
    solve_cpu_seconds: f64,
    /// Taking the decision for done.
    accept_seconds: f64,
    /// Checking the end.
    check_seconds: f64,
    /// The most that the process had resident in the first run, what is fed and the bench's own copy of it included.
    peak_memory_bytes: u64,
    /// Breaches of hard rules at the end of all runs; and of shapes with batches, after every batch of one more run that
    /// is not timed.
    violations: u64,
    /// The first of them.
    first_violations: Vec<String>,
    /// What only this shape has to say.
    #[serde(flatten)]
    more: BTreeMap<&'static str, u64>,
    /// Where.
    machine: Machine,
}

impl ShapeFigure {
    /// The figure of these runs; none of no runs. `inspection` is another one that took its time for checking.
    pub(crate) fn new(shape: Shape, sizes: &Sizes, mut runs: Vec<Run>, inspection: Option<&Run>) -> Option<Self> {
        runs.sort_by_key(|run| run.took);
        let mut found = Found::default();
        runs.iter().chain(inspection).for_each(|run| found.add(run.found.clone()));
        let end = runs.first()?.fingerprint;
        let same_every_time = runs.iter().chain(inspection).all(|run| run.fingerprint == end);
        let sound = same_every_time && runs.iter().chain(inspection).all(Run::sound);
        // The peak of a later run is at least that of the checker in the first one.
        let peak_memory_bytes = runs.iter().map(|run| run.lap.peak_memory).min()?;
        let seconds_of_runs: Vec<f64> = runs.iter().map(|run| run.took.as_secs_f64()).collect();
        // Of an even number the slower one of the middle.
        let median = runs.swap_remove(runs.len() / 2);
        Some(Self {
            name: "placement",
            shape: shape.name(),
            measures: shape.measures(),
            nodes: median.nodes,
            replicas: median.replicas,
            services: median.services,
            seed: sizes.seed,
            runs: seconds_of_runs.len(),
            replicas_per_second: median.rate(),
            goal_replicas_per_second: shape.goal(),
            met: sound && median.rate() >= shape.goal(),
            same_every_time,
            placed: median.placed,
            unplaced: median.unplaced,
            unplaced_rightly: median.impossible,
            seconds: median.took.as_secs_f64(),
            seconds_of_runs,
            feed_seconds: median.lap.feed.as_secs_f64(),
            solve_seconds: median.lap.solve.as_secs_f64(),
            solve_cpu_seconds: median.lap.solve_cpu.as_secs_f64(),
            accept_seconds: median.lap.accept.as_secs_f64(),
            check_seconds: median.checking.as_secs_f64(),
            peak_memory_bytes,
            violations: found.count,
            first_violations: found.first,
            more: median.more,
            machine: Machine::this(),
        })
    }
}
