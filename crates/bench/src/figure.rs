use std::time::Duration;

use serde::Serialize;

use crate::machine::Machine;

/// Times of one kind, against a goal.
#[derive(Debug, Serialize)]
pub(crate) struct Times {
    /// The figure.
    name: &'static str,
    /// What was measured, from when to when.
    measures: &'static str,
    #[serde(flatten)]
    against: Against,
    /// Where.
    machine: Machine,
}

/// How times are spread, and whether they stay within a goal.
#[derive(Debug, Serialize)]
pub(crate) struct Against {
    /// How many times.
    runs: usize,
    /// The shortest, in milliseconds.
    min_ms: f64,
    /// Half of them took no longer.
    p50_ms: f64,
    /// 99 of 100 took no longer: of fewer, the longest.
    pub(crate) p99_ms: f64,
    /// The longest.
    max_ms: f64,
    /// What it is to stay within.
    goal_ms: f64,
    /// Whether `p99_ms` does.
    pub(crate) met: bool,
}

impl Times {
    /// The figure of these times.
    pub(crate) fn new(name: &'static str, measures: &'static str, goal: Duration, times: Vec<Duration>) -> Self {
        Self { name, measures, against: Against::new(goal, times), machine: Machine::this() }
    }
}

impl Against {
    /// These times, measured against `goal`.
    pub(crate) fn new(goal: Duration, mut times: Vec<Duration>) -> Self {
        times.sort();
        let millis = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
        // The nearest-rank percentile: the smallest time that the given share of all does not exceed.
        let percentile = |share: f64| {
            let rank = (share * times.len() as f64).ceil() as usize;
            millis(times.get(rank.max(1) - 1))
        };
        let p99_ms = percentile(0.99);
        Self {
            runs: times.len(),
            min_ms: millis(times.first()),
            p50_ms: percentile(0.5),
            p99_ms,
            max_ms: millis(times.last()),
            goal_ms: goal.as_secs_f64() * 1e3,
            met: p99_ms <= goal.as_secs_f64() * 1e3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let figure = Against::new(Duration::from_millis(198), times);
        assert_eq!((figure.p50_ms, figure.p99_ms, figure.max_ms), (100.0, 198.0, 200.0));
        assert!(figure.met);
    }
}
