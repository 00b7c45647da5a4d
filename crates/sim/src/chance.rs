use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Random numbers for one purpose. What is drawn for one changes nothing of what is drawn for another.
#[derive(Debug, Clone)]
pub(crate) struct Chance(SmallRng);

impl Chance {
    /// The numbers that follow from `seed` for `purpose`.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        hasher.update(purpose.as_bytes());
        let mut start = [0; 8];
        start.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(SmallRng::seed_from_u64(u64::from_le_bytes(start)))
    }

    /// A number of `range`.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        self.0.gen_range(range)
    }

    /// An index below `count`, which is not 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0.gen_range(0..count)
    }

    /// True `permille` times in a thousand.
    pub(crate) fn happens(&mut self, permille: u64) -> bool {
        self.0.gen_range(0..1_000) < permille
    }

    /// A seed for another generator.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.gen_range(0..u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_follows_from_the_seed_and_the_purpose() {
        let draw = |seed, purpose| Chance::new(seed, purpose).seed();
        assert_eq!(draw(1, "network"), draw(1, "network"));
        assert_ne!(draw(1, "network"), draw(2, "network"));
        assert_ne!(draw(1, "network"), draw(1, "disks"));
    }
}
