use std::time::{Duration, Instant};

use icefield_placement::{Acceptance, Demand};
use icefield_spec::Name;
use serde::Serialize;

use super::checker::Found;
use super::live::{Lap, Live};
use super::mix;
use super::sizes::Sizes;
use crate::figure::Against;
use crate::machine::Machine;
use crate::random::Random;

const GOAL: Duration = Duration::from_secs(10);
const GOAL_MEMORY: u64 = 2 << 30;
const GOAL_LOST: Duration = Duration::from_millis(20);
const GOAL_SCALED: Duration = Duration::from_millis(5);
/// By how many replicas a service is scaled.
const STEP: u32 = 100;
/// Checking takes longer than a change, so one in so many is checked, besides the end.
const CHECKED: u32 = 20;

/// A large fleet, placed from nothing; and then small changes to it.
#[derive(Debug, Serialize)]
pub(crate) struct Large {
    /// The figure.
    name: &'static str,
    /// Which fleet.
    shape: &'static str,
    /// What is timed.
    measures: &'static str,
    nodes: usize,
    replicas: u64,
    services: usize,
    seed: u64,
    /// How often all was placed from nothing.
    runs: usize,
    /// `placed` in each of the `seconds`.
    replicas_per_second: f64,
    /// Replicas that were placed from nothing.
    placed: u64,
    /// Those that were not.
    unplaced: usize,
    /// Deciding where all are to be, in the median run.
    seconds: f64,
    goal_seconds: f64,
    /// The processor time of that: less where others share the machine, more where it takes several cores.
    cpu_seconds: f64,
    /// That of every run, rising.
    seconds_of_runs: Vec<f64>,
    /// Telling the engine all there is.
    feed_seconds: f64,
    /// Taking the decision for done.
    accept_seconds: f64,
    /// Checking it.
    check_seconds: f64,
    /// The most that the process had resident until all was placed for the first time, what is fed and the bench's own
    /// copy of that included.
    peak_memory_bytes: u64,
    goal_memory_bytes: u64,
    /// From being told that a node is lost to knowing where its replicas go.
    node_lost: Against,
    /// Replicas that were to be placed anew for that, of all lost nodes together.
    node_lost_replicas: u64,
    /// Taking that for done.
    node_lost_accept_p99_ms: f64,
    /// From being told that a service has so many replicas more or less to knowing where.
    service_scaled: Against,
    /// Taking that for done.
    service_scaled_accept_p99_ms: f64,
    /// Breaches of hard rules: after all was placed, after every twentieth lost node, and after all changes.
    violations: u64,
    /// The first of them.
    first_violations: Vec<String>,
    /// Whether every goal is met, all is placed, and there are no violations.
    met: bool,
    /// Where.
    machine: Machine,
}

impl Large {
    /// Places all as often as `runs` says, and makes so many changes of each kind to the last; none of no runs.
    pub(crate) fn measure(sizes: &Sizes, runs: u32, changes: u32) -> Option<Self> {
        let (mut laps, mut found, mut last): (Vec<Lap>, _, Option<Live>) = (Vec::new(), Found::default(), None);
        let (mut unplaced, mut checking) = (0, Duration::ZERO);
        for _ in 0..runs {
            // The one before goes first: two would take twice the memory.
            if let Some(before) = last.take() {
                found.add(before.found().clone());
            }
            let mut live = Live::new(mix::fleet(sizes));
            live.solve();
            laps.push(live.lap());
            let began = Instant::now();
            live.check(true);
            checking = began.elapsed();
            unplaced = live.unplaced().len();
            last = Some(live);
        }
        let mut live = last?;
        let mut random = Random::new(sizes.seed);
        let lost = lose_nodes(&mut live, &mut random, changes);
        let scaled = scale_services(&mut live, &mut random, changes);
        live.check(false);
        found.add(live.found().clone());

        let peak_memory_bytes = laps.first()?.peak_memory;
        laps.sort_by_key(|lap| lap.solve);
        let cold = laps.get(laps.len() / 2)?;
        let (node_lost, service_scaled) = (lost.against(GOAL_LOST), scaled.against(GOAL_SCALED));
        let within = cold.solve <= GOAL && peak_memory_bytes <= GOAL_MEMORY && node_lost.met && service_scaled.met;
        Some(Self {
            name: "placement",
            shape: "mix",
            measures: "placing all replicas at once; then one node lost at a time; then one service scaled at a time",
            nodes: live.fleet.hosts.len(),
            replicas: sizes.replicas.into(),
            services: live.fleet.services.len(),
            seed: sizes.seed,
            runs: laps.len(),
            replicas_per_second: cold.placed as f64 / cold.solve.as_secs_f64(),
            placed: cold.placed,
            unplaced,
            seconds: cold.solve.as_secs_f64(),
            goal_seconds: GOAL.as_secs_f64(),
            cpu_seconds: cold.solve_cpu.as_secs_f64(),
            seconds_of_runs: laps.iter().map(|lap| lap.solve.as_secs_f64()).collect(),
            feed_seconds: cold.feed.as_secs_f64(),
            accept_seconds: cold.accept.as_secs_f64(),
            check_seconds: checking.as_secs_f64(),
            peak_memory_bytes,
            goal_memory_bytes: GOAL_MEMORY,
            node_lost,
            node_lost_replicas: lost.replicas(),
            node_lost_accept_p99_ms: lost.accept().p99_ms,
            service_scaled,
            service_scaled_accept_p99_ms: scaled.accept().p99_ms,
            met: within && unplaced == 0 && found.count == 0,
            violations: found.count,
            first_violations: found.first,
            machine: Machine::this(),
        })
    }
}

/// Changes of one kind.
#[derive(Default)]
struct Changes(Vec<Lap>);

impl Changes {
    fn against(&self, goal: Duration) -> Against {
        Against::new(goal, self.0.iter().map(|lap| lap.feed + lap.solve).collect())
    }

    fn accept(&self) -> Against {
        Against::new(Duration::MAX, self.0.iter().map(|lap| lap.accept).collect())
    }

    fn replicas(&self) -> u64 {
        self.0.iter().map(|lap| lap.placed + lap.moved).sum()
    }
}

/// Loses so many nodes one after the other; each is back before the next goes.
fn lose_nodes(live: &mut Live, random: &mut Random, count: u32) -> Changes {
    let names: Vec<Name> = live.fleet.hosts.keys().cloned().collect();
    let mut changes = Changes::default();
    for number in 0..count {
        let Some(host) = live.fleet.hosts.get(random.one_of(&names)).cloned() else { continue };
        let mut lost = host.clone();
        lost.acceptance = Acceptance::Lost;
        live.set_host(lost);
        live.solve();
        changes.0.push(live.lap());
        if number % CHECKED == 0 {
            live.check(false);
        }
        live.set_host(host);
        live.solve();
        live.lap();
    }
    changes
}

/// Scales services up and down again, so many times in all.
fn scale_services(live: &mut Live, random: &mut Random, count: u32) -> Changes {
    let names: Vec<Name> = live.fleet.services.keys().cloned().collect();
    let mut changes = Changes::default();
    for _ in 0..count.div_ceil(2) {
        let name = random.one_of(&names);
        let Some(before) = live.fleet.services.get(name).cloned() else { continue };
        let more = |demand: &Demand| {
            let end = demand.indexes.last().map_or(0, |last| last + 1) + STEP;
            Demand { indexes: (0..end).collect(), ..demand.clone() }
        };
        for demands in [before.iter().map(more).collect(), before] {
            live.set_service(name, demands);
            live.solve();
            changes.0.push(live.lap());
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_one_says_all_that_it_must() {
        let sizes = Sizes { nodes: 60, replicas: 900, services: None, seed: 3 };
        let large = Large::measure(&sizes, 2, 4).unwrap();
        let value = serde_json::to_value(&large).unwrap();
        for field in ["replicas_per_second", "placed", "seconds", "peak_memory_bytes", "violations", "nodes"] {
            assert!(value[field].is_number(), "{field} of {value}");
        }
        assert_eq!((large.placed, large.unplaced, large.runs), (900, 0, 2), "{value}");
        assert_eq!((&value["node_lost"]["runs"], &value["service_scaled"]["runs"]), (&4.into(), &4.into()));
        assert!(large.node_lost_replicas > 0);
        assert!(Large::measure(&sizes, 0, 4).is_none());
    }
}
