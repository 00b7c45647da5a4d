use crate::State;
use crate::random::Random;

/// The share of the walk that goes only down, at first.
const DESCENT: f64 = 0.03;

/// How hot the walk begins, of what a common change for the worse costs.
const HOT: f64 = 12.0;

/// The same where capacities may be exceeded, so that much less is in the way.
const LENIENT_HOT: f64 = 4.0;

/// How hot later cycles begin, of the first: of those there are only where nobody knows how long the walk may be.
const REHEAT: f64 = 0.3;

/// How far a cycle cools down slowly, of what a common change costs: below, little changes but the cheapest moves.
const COOL: f64 = 5e-3;

/// In what share of its length it does so; then it goes on fast until it is cold.
const COOLING: f64 = 0.85;

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
    /// What a common change for the worse costs.
    common: f64,
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
            common: 0.0,
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
                (1, ((spent - DESCENT) / (1.0 - DESCENT)).min(1.0))
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
        let cool = (self.common * COOL).max(COLD);
        let (share, from, to) = if within < COOLING {
            (within / COOLING, self.top, cool)
        } else {
            ((within - COOLING) / (1.0 - COOLING), cool, COLD)
        };
        self.now = if cycle == 0 { 0.0 } else { from * (to / from).min(1.0).powf(share) };
        let begins = cycle != self.cycle;
        self.cycle = cycle;
        begins
    }

    /// Whether the walk is long enough for the whole heat.
    pub(super) fn is_whole(&self) -> bool {
        self.worth() >= 1.0
    }

    fn worth(&self) -> f64 {
        (self.expected / self.movable / STEPS).min(1.0)
    }

    /// Begins a cycle: the heat is what a common change costs.
    pub(super) fn begin(&mut self, state: &State<'_>, movable: &[u32], is_lenient: bool, random: &mut Random) {
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
        self.common = if count == 0 { COLD } else { sum / f64::from(count) };
        let affordable = self.worth().powi(2);
        let again = if self.cycle > 1 { REHEAT } else { 1.0 };
        let hot = if is_lenient { LENIENT_HOT } else { HOT };
        self.top = (self.common * hot * affordable * again).max(COLD);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How hot it is after each turn, begun each time with a heat of a million.
    fn heats(turns: impl Iterator<Item = (Option<f64>, u64)>) -> (Vec<f64>, u32) {
        let mut heat = Heat::new(1);
        let mut begun = 0;
        let heats = turns.map(|(spent, steps)| {
            if heat.turn(spent, steps) {
                begun += 1;
                (heat.common, heat.top) = (1e6, 1e6);
                heat.turn(spent, steps);
            }
            heat.now()
        });
        (heats.collect(), begun)
    }

    #[test]
    fn comes_to_rest_at_the_end_of_what_is_known() {
        let (heats, begun) = heats((0..=1000).map(|turn| (Some(f64::from(turn) / 1000.0), 1)));
        assert_eq!(begun, 1);
        assert!(heats[..30].iter().all(|heat| *heat == 0.0));
        assert!(heats[30..].windows(2).all(|pair| pair[1] < pair[0]));
        assert!(heats[30] == 1e6 && (heats[1000] - COLD).abs() < 1e-6, "{} {}", heats[30], heats[1000]);
    }

    #[test]
    fn heats_again_and_again_where_no_end_is_known() {
        let (heats, begun) = heats((0..20_000).map(|steps| (None, steps)));
        let tops = heats.windows(2).filter(|pair| pair[1] > pair[0]).count() as u32;
        assert_eq!((begun, tops), (3, 3));
        assert!(heats.iter().all(|heat| (0.0..=1e6).contains(heat)));
    }

    #[test]
    fn noise_accepts_as_often_as_it_should() {
        let (noise, mut random) = (Noise::new(), Random::new(1));
        let accepted = (0..100_000).filter(|_| 2.0 <= noise.next(&mut random)).count();
        assert!((13_000..14_100).contains(&accepted), "{accepted}");
    }
}
