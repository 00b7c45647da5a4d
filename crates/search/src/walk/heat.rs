use crate::State;
use crate::random::Random;

/// How many times it is heated where the length of the walk is known.
const CYCLES: f64 = 1.0;

/// The share of the walk that goes only down, at first.
const DESCENT: f64 = 0.03;

/// How hot the first cycle begins, of what a common change for the worse costs.
const HOT: f64 = 12.0;

/// How hot later cycles begin, of the first.
const REHEAT: f64 = 0.3;

/// How far a cycle cools down, of what it began with,
const COOL: f64 = 1e-3;

/// and in what share of its length, if it is the last: then it goes on until it is cold.
const COOLING: f64 = 0.8;

/// The heat that is as good as none: costs are whole numbers.
const COLD: f64 = 0.3;

/// How many steps a movable replica needs to be worth the whole heat; fewer would not cool down again.
const STEPS: f64 = 4000.0;

/// How long the first cycle is where the length of the walk is not known, in steps for each movable replica.
const FIRST: u64 = 2000;

/// How much worse a layout may become: falls slowly, rises suddenly.
#[derive(Debug)]
pub(super) struct Heat {
    now: f64,
    /// What the present cycle began with.
    top: f64,
    cycle: u32,
    movable: f64,
    /// The step at which the present cycle ends, and how long it is; where the length of the walk is not known.
    round: (u64, u64),
    /// How many steps the whole walk will have, by what is known.
    expected: f64,
}

impl Heat {
    pub(super) fn new(movable: usize) -> Self {
        let first = FIRST * movable as u64;
        Self {
            now: 0.0,
            top: 0.0,
            cycle: 0,
            movable: movable as f64,
            round: (first / 20, first),
            expected: f64::INFINITY,
        }
    }

    /// The heat now.
    pub(super) fn now(&self) -> f64 {
        self.now
    }

    /// Sets the heat by how much of the walk is done; whether a new cycle is to begin.
    pub(super) fn turn(&mut self, spent: Option<f64>, steps: u64) -> bool {
        let (cycle, within) = match spent {
            Some(spent) if spent < DESCENT => (0, 0.0),
            Some(spent) => {
                self.expected = steps as f64 / spent;
                let cycles = ((spent - DESCENT) / (1.0 - DESCENT)).clamp(0.0, 0.999_999) * CYCLES;
                (cycles as u32 + 1, cycles.fract())
            }
            None if steps < self.round.0 => {
                let (end, length) = self.round;
                (self.cycle, 1.0 - (end - steps) as f64 / length as f64)
            }
            None => {
                let length = self.round.1 * 2;
                self.round = (steps + length, length);
                (self.cycle + 1, 0.0)
            }
        };
        // Where the end is not known, any cycle may be the last.
        let is_last = spent.is_none() || f64::from(cycle) >= CYCLES;
        let cool = (self.top * COOL).max(COLD);
        let (share, from, to) = match within / COOLING {
            _ if !is_last => (within, self.top, cool),
            share if share < 1.0 => (share, self.top, cool),
            _ => ((within - COOLING) / (1.0 - COOLING), cool, COLD),
        };
        self.now = if cycle == 0 { 0.0 } else { from * (to / from).min(1.0).powf(share) };
        let begins = cycle != self.cycle;
        self.cycle = cycle;
        begins
    }

    /// Begins a cycle: the heat is what a common change costs.
    pub(super) fn begin(&mut self, state: &State<'_>, movable: &[u32], random: &mut Random) {
        let (mut sum, mut count) = (0.0, 0);
        for _ in 0..4000 {
            let replica = movable[random.below(movable.len())];
            if let Some(cost) = state.shift(replica, random.below(state.model().nodes) as u32)
                && cost > 0
            {
                sum += cost as f64;
                count += 1;
            }
        }
        let common = if count == 0 { COLD } else { sum / f64::from(count) };
        let affordable = (self.expected / self.movable / STEPS).min(1.0).powi(2);
        let again = if self.cycle > 1 { REHEAT } else { 1.0 };
        self.top = (common * HOT * affordable * again).max(COLD);
        self.now = self.top;
    }
}

/// Numbers with which a change that costs c is accepted with probability exp(−c / heat): when c ≤ heat × number.
#[derive(Debug)]
pub(super) struct Noise {
    numbers: Vec<f64>,
}

impl Noise {
    pub(super) fn new() -> Self {
        let size = 4096;
        Self { numbers: (0..size).map(|index| -((f64::from(index) + 0.5) / f64::from(size)).ln()).collect() }
    }

    pub(super) fn next(&self, random: &mut Random) -> f64 {
        self.numbers[random.below(self.numbers.len())]
    }
}
