/// How far apart signs of life have come lately: the longest gap, which fades with time.
///
/// A maximum and not a mean: what counts is how long a silence may be that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rhythm {
    gap: u64,
    at: u64,
}

impl Rhythm {
    /// The time after which a gap counts for half, in milliseconds.
    const HALF_LIFE: u64 = 30_000;

    /// Takes note of a gap of so many milliseconds that ended `now`.
    pub(super) fn note(&mut self, gap: u64, now: u64) {
        let faded = self.longest(now);
        *self = Self { gap: gap.max(faded), at: now };
    }

    /// The longest gap, in milliseconds, as far as it still counts.
    pub(super) fn longest(&self, now: u64) -> u64 {
        let age = now.saturating_sub(self.at);
        let halves = u32::try_from(age / Self::HALF_LIFE).unwrap_or(u32::MAX);
        let whole = self.gap.checked_shr(halves).unwrap_or(0);
        // Between two halvings it falls evenly: whole numbers, so that every machine computes the same.
        whole - whole * (age % Self::HALF_LIFE) / (2 * Self::HALF_LIFE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_gap_fades() {
        let mut rhythm = Rhythm::default();
        rhythm.note(1_600, 1_000);
        rhythm.note(500, 1_500);
        let after = |millis| rhythm.longest(1_500 + millis);
        assert!((1_580..=1_600).contains(&after(0)), "{}", after(0));
        assert!((780..=800).contains(&after(30_000)));
        assert!((590..=600).contains(&after(45_000)));
        assert!((390..=400).contains(&after(60_000)));
        assert_eq!(after(u64::MAX / 2), 0);
        rhythm.note(700, 91_500);
        assert_eq!(rhythm.longest(91_500), 700, "the greater one counts");
    }

    #[test]
    fn steady_signs_keep_their_gap() {
        let mut rhythm = Rhythm::default();
        for at in (0..600_000).step_by(500) {
            rhythm.note(500, at);
        }
        assert_eq!(rhythm.longest(600_000), 500 - 500 * 500 / 60_000);
    }
}
