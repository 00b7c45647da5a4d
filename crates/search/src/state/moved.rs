/// How many replicas of each service have moved, and the greatest of these numbers.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    of: Vec<u32>,
    /// How many services have that many moved replicas.
    services: Vec<u32>,
    greatest: usize,
}

impl Moved {
    /// Nothing moved; the services have so many replicas.
    pub(crate) fn new(sizes: impl Iterator<Item = u32> + Clone) -> Self {
        let largest = sizes.clone().max().unwrap_or(0) as usize;
        let of = vec![0; sizes.count()];
        let mut services = vec![0; largest + 2];
        services[0] = of.len() as u32;
        Self { of, services, greatest: 0 }
    }

    /// The greatest number of moved replicas that a service has.
    pub(crate) fn greatest(&self) -> i64 {
        self.greatest as i64
    }

    /// One more of the service's replicas has moved.
    pub(crate) fn away(&mut self, service: usize) {
        let count = self.of[service] as usize;
        self.of[service] += 1;
        self.services[count] -= 1;
        self.services[count + 1] += 1;
        self.greatest = self.greatest.max(count + 1);
    }

    /// One of the service's replicas is no longer elsewhere than it started.
    pub(crate) fn back(&mut self, service: usize) {
        let count = self.of[service] as usize;
        self.of[service] -= 1;
        self.services[count] -= 1;
        self.services[count - 1] += 1;
        if count == self.greatest && self.services[count] == 0 {
            self.greatest -= 1;
        }
    }

    /// How [`Self::greatest`] would change if so many more (−2 to 2) of the service's replicas were moved ones.
    pub(crate) fn change(&self, service: usize, more: i64) -> i64 {
        let count = i64::from(self.of[service]);
        let greatest = self.greatest();
        if more >= 0 {
            return (count + more - greatest).max(0);
        }
        if count < greatest || self.services[self.greatest] > 1 {
            return 0;
        }
        if self.services[self.greatest - 1] > 0 { -1 } else { more }
    }

    /// The same for changes of two different services at once.
    pub(crate) fn change_of_two(&self, first: (usize, i64), second: (usize, i64)) -> i64 {
        let (up, down) = if first.1 > second.1 { (first, second) } else { (second, first) };
        match (up.1, down.1) {
            (1, 1) => self.change(up.0, 1).max(self.change(down.0, 1)),
            (1, -1) => {
                let count = self.of[up.0] as usize;
                match count.cmp(&self.greatest) {
                    // It reaches the greatest, or passes it: then the other one's going down does not matter.
                    _ if count + 1 == self.greatest => 0,
                    std::cmp::Ordering::Equal => 1,
                    _ => self.change(down.0, -1),
                }
            }
            (-1, -1) => {
                let tops = [up.0, down.0].iter().filter(|service| self.of[**service] as usize == self.greatest).count();
                -i64::from(tops > 0 && self.services[self.greatest] as usize == tops)
            }
            _ => self.change(first.0, first.1) + self.change(second.0, second.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn predicts_the_greatest() {
        let sizes = [3, 5, 2, 4];
        let mut moved = Moved::new(sizes.iter().copied());
        let mut random = Random::new(5);
        for _ in 0..20_000 {
            let (first, second) = (random.below(4), random.below(4));
            let mut step = |service: usize| match random.below(3) {
                0 if moved.of[service] < sizes[service] => 1,
                1 if moved.of[service] > 0 => -1,
                _ => 0,
            };
            let (one, two) = (step(first), if first == second { 0 } else { step(second) });
            let before = moved.greatest();
            let predicted = if first == second {
                moved.change(first, one)
            } else {
                moved.change_of_two((first, one), (second, two))
            };
            for (service, more) in [(first, one), (second, two)] {
                match more {
                    1 => moved.away(service),
                    -1 => moved.back(service),
                    _ => {}
                }
            }
            assert_eq!(moved.greatest() - before, predicted);
            assert_eq!(moved.greatest(), i64::from(*moved.of.iter().max().unwrap()));
        }
    }
}
