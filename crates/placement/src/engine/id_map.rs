use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are ids.
pub(crate) type IdMap<T> = HashMap<u32, T, BuildHasherDefault<IdHasher>>;

/// Counts by id; what is not in it counts 0.
///
/// Most services touch few of the many nodes and domains, so a vector for each would be mostly zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountMap(IdMap<u32>);

impl CountMap {
    pub(crate) fn get(&self, key: u32) -> u32 {
        if self.0.is_empty() { 0 } else { self.0.get(&key).copied().unwrap_or(0) }
    }

    /// Gives back the new count.
    pub(crate) fn add(&mut self, key: u32) -> u32 {
        let count = self.0.entry(key).or_insert(0);
        *count += 1;
        *count
    }

    /// Gives back the new count.
    pub(crate) fn subtract(&mut self, key: u32) -> u32 {
        match self.0.get_mut(&key) {
            Some(count) if *count > 1 => {
                *count -= 1;
                *count
            }
            _ => {
                self.0.remove(&key);
                0
            }
        }
    }

    /// How many ids have a count above 0.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All counts above 0, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().map(|(key, count)| (*key, *count))
    }
}

/// Keys are positions that nobody outside chooses, so one multiplication scatters them well enough.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, key: u32) {
        self.0 = (self.0 ^ u64::from(key)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_up_and_down_and_never_below_zero() {
        let mut counts = CountMap::default();
        for key in [7, 7, 9] {
            counts.add(key);
        }
        assert_eq!([counts.get(7), counts.get(9), counts.get(1)], [2, 1, 0]);
        for key in [9, 9, 1] {
            counts.subtract(key);
        }
        assert_eq!([counts.get(7), counts.get(9), counts.get(1)], [2, 0, 0]);
        assert_eq!(counts.len(), 1);
    }
}
