/// How many domains have each number of replicas: the least and greatest number without looking at the domains.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    /// By number of replicas.
    domains: Vec<u32>,
    least: u32,
    greatest: u32,
}

impl Histogram {
    /// Of so many domains without a replica.
    pub(crate) fn new(domains: u32) -> Self {
        Self { domains: vec![domains], least: 0, greatest: 0 }
    }

    /// How much the greatest number exceeds the least.
    pub(crate) fn skew(&self) -> u32 {
        self.greatest - self.least
    }

    /// What [`Self::skew`] would be if a domain with `left` replicas had one less and one with `joined` had one more.
    pub(crate) fn skew_after(&self, left: Option<u32>, joined: Option<u32>) -> u32 {
        let (least, greatest) = self.extremes(left, joined);
        greatest - least
    }

    /// A domain with `left` replicas has one less, or one with `joined` has one more, or both.
    pub(crate) fn change(&mut self, left: Option<u32>, joined: Option<u32>) {
        (self.least, self.greatest) = self.extremes(left, joined);
        if let Some(count) = left {
            self.domains[count as usize] -= 1;
            self.domains[count as usize - 1] += 1;
        }
        if let Some(count) = joined {
            if self.domains.len() <= count as usize + 1 {
                self.domains.resize(count as usize + 2, 0);
            }
            self.domains[count as usize] -= 1;
            self.domains[count as usize + 1] += 1;
        }
    }

    fn extremes(&self, left: Option<u32>, joined: Option<u32>) -> (u32, u32) {
        let is = |number: Option<u32>, count: u32| i64::from(number == Some(count));
        let domains = |count: u32| {
            let now = self.domains.get(count as usize).copied().unwrap_or(0);
            let out = is(left, count) + is(joined, count);
            let come = is(left, count + 1) + is(joined.map(|joined| joined + 1), count);
            i64::from(now) - out + come
        };
        // One step moves each end by at most one; without any domain there is nothing to find.
        let from = self.least.saturating_sub(1);
        let least = (from..=self.least + 1).find(|count| domains(*count) > 0).unwrap_or(0);
        let to = self.greatest.saturating_sub(1);
        let greatest = (to..=self.greatest + 1).rev().find(|count| domains(*count) > 0).unwrap_or(0);
        (least, greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn follows_the_extremes_of_the_counts() {
        let mut random = Random::new(3);
        let mut counts = [0u32; 4];
        let mut histogram = Histogram::new(4);
        for _ in 0..5000 {
            let (from, to) = (random.below(5), random.below(5));
            let left = counts.get(from).copied().filter(|count| *count > 0);
            let joined = counts.get(to).copied().filter(|_| from != to);
            let after = histogram.skew_after(left, joined);
            histogram.change(left, joined);
            if left.is_some() {
                counts[from] -= 1;
            }
            if joined.is_some() {
                counts[to] += 1;
            }
            let skew = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            assert_eq!((histogram.skew(), after), (skew, skew));
        }
        assert_eq!(Histogram::new(0).skew_after(None, None), 0);
    }
}
