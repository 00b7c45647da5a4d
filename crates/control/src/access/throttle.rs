use std::collections::BTreeMap;

/// Bounds how many refusals get into the audit log: whoever is refused over and over must not push out what was done.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// When the time began that is counted, in milliseconds.
    since: u64,
    /// How many were let through in it, by what they were of.
    counts: BTreeMap<String, u64>,
    /// How many were held back and not yet told of.
    held_back: u64,
}

impl Throttle {
    /// The time that is counted, in milliseconds.
    const WINDOW: u64 = 60_000;
    /// The most of one kind in it.
    const OF_A_KIND: u64 = 3;
    /// The most of all kinds in it.
    const IN_ALL: u64 = 30;

    /// Whether a refusal of this kind is to be told of at `now`; if so, how many others were held back since the last one.
    pub(crate) fn admit(&mut self, kind: &str, now: u64) -> Option<u64> {
        if now.saturating_sub(self.since) >= Self::WINDOW {
            self.since = now;
            self.counts.clear();
        }
        let full = self.counts.values().sum::<u64>() >= Self::IN_ALL;
        if full || self.counts.get(kind).is_some_and(|count| *count >= Self::OF_A_KIND) {
            self.held_back += 1;
            return None;
        }
        *self.counts.entry(kind.to_owned()).or_default() += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_a_few_of_each_kind_through_and_counts_the_rest() {
        let mut throttle = Throttle::default();
        for _ in 0..3 {
            assert_eq!(throttle.admit("a", 1_000), Some(0));
        }
        assert_eq!(throttle.admit("a", 1_000), None);
        assert_eq!(throttle.admit("a", 2_000), None);
        assert_eq!(throttle.admit("b", 2_000), Some(2));
        let through = (0..100).filter(|at| throttle.admit(&format!("k{at}"), 3_000).is_some()).count();
        assert_eq!(through, 26, "thirty in all");
        assert_eq!(throttle.admit("a", 61_000), Some(74));
    }
}
