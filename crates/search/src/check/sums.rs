use crate::{Problem, Refusal};

/// What a sum may at most come to: a quarter of 64 bits, so that two of them and a change still fit.
const MOST: i128 = 1 << 61;

/// A bound that grows to its end, and stays there.
#[derive(Debug, Clone, Copy)]
struct Bound(i128);

impl Bound {
    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(i128::from(factor)))
    }

    fn check(self, what: &str) -> Result<Self, Refusal> {
        if self.0 <= MOST {
            return Ok(self);
        }
        Err(Refusal::new(format!("{what} can exceed 64 bits; use larger units or smaller weights")))
    }
}

fn sum(numbers: impl Iterator<Item = i64>) -> Bound {
    numbers.fold(Bound(0), |sum, number| sum.plus(Bound(i128::from(number).abs())))
}

impl Problem {
    /// Whether no sum can exceed 64 bits, whatever the layout.
    pub(super) fn check_sums(&self) -> Result<(), Refusal> {
        let mut cost = Bound(0);
        let uses: Vec<Bound> = (0..self.resources.len()).map(|resource| self.most_used(resource)).collect();
        let mut capacities = Vec::new();
        for (index, (resource, used)) in self.resources.iter().zip(&uses).enumerate() {
            let capacity = sum(self.nodes.iter().map(|node| node.capacity[index]));
            let comfort = sum(self.nodes.iter().map(|node| node.comfort[index]));
            let all = used.plus(capacity).plus(comfort).check(&format!("the sums of resource {index}"))?;
            cost = cost.plus(all.times(resource.load_weight));
            capacities.push(all);
        }
        for balance in &self.balances {
            let wanted = capacities[balance.of as usize].times(balance.target).check("a balance")?;
            cost = cost.plus(wanted.plus(capacities[balance.against as usize]).times(balance.weight));
        }
        let kinds = || self.replicas.iter().map(|replica| &self.kinds[replica.kind as usize]);
        sum(kinds().map(|kind| kind.importance)).check("the importance of all replicas")?;
        for kind in kinds() {
            cost = cost.plus(sum(kind.gains.iter().map(|gain| gain.points)));
            cost = cost.plus(Bound(i128::from(kind.move_cost)).times(self.moves.replica));
        }
        let replicas = self.replicas.len() as i64;
        cost = cost.plus(Bound(replicas.into()).times(self.moves.service));
        let farthest = self.moves.distance.iter().flatten().copied().max().unwrap_or(0);
        cost = cost.plus(Bound(farthest.into()).times(self.moves.node).times(replicas));
        let mut sizes = vec![0i64; self.services.len()];
        kinds().for_each(|kind| sizes[kind.service as usize] += 1);
        for (service, size) in self.services.iter().zip(sizes) {
            let steps = sum(service.even.iter().map(|even| even.step));
            cost = cost.plus(steps.times(size).times(size));
            let links = (service.near.len() + service.apart.len()) as i64 + 1;
            Bound(replicas.into()).times(replicas).times(links).check("the number of pairs to keep near or apart")?;
        }
        cost.check("the cost")?;
        self.check_fill(&uses)
    }

    /// The most of a resource that could be used on one node.
    fn most_used(&self, resource: usize) -> Bound {
        sum(self.replicas.iter().map(|replica| self.kinds[replica.kind as usize].need[resource]))
    }

    /// The cost of fill grows with the square of use, so it is bounded by what is at most used of the smallest node.
    fn check_fill(&self, uses: &[Bound]) -> Result<(), Refusal> {
        if self.fill_scale == 0 || self.kinds.iter().all(|kind| kind.fill == 0) {
            return Ok(());
        }
        let share = |(resource, used): (usize, &Bound)| {
            let capacities = self.nodes.iter().map(|node| node.capacity[resource]);
            let least = capacities.filter(|capacity| *capacity > 0).min();
            least.map_or(0, |least| used.times(1_000_000).0 / i128::from(least) + 1)
        };
        // The shares of the replicas are each the greatest over the resources; their sum is at most the sum over them.
        let share: i128 = uses.iter().enumerate().map(share).fold(0, i128::saturating_add);
        let share = Bound(share).check("the share of a node that is used")?;
        let product = Bound(share.0.saturating_mul(share.0)).times(self.fill_scale.saturating_abs());
        let overflows = product.0 == i128::MAX || product.0 == i128::MIN;
        let cost = if overflows { i128::MAX } else { product.0 / 1_000_000_000_000 };
        Bound(cost).check("the cost of fill").map(|_| ())
    }
}
