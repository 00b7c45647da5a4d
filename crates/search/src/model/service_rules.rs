use crate::{BitSet, Link, Problem};

/// What binds the replicas of a service. Each rule knows the tally (replicas of a service by domain) that it reads.
#[derive(Debug, Default)]
pub(crate) struct ServiceRules {
    /// How many replicas it has.
    pub(crate) size: u32,
    /// The tallies that its replicas are counted in, each with its label.
    pub(crate) tallies: Vec<Tally>,
    pub(crate) limits: Vec<Bound>,
    pub(crate) min_domains: Vec<Bound>,
    pub(crate) skews: Vec<SkewRule>,
    pub(crate) evens: Vec<Step>,
    /// Its replicas need one of the other's in their domain.
    pub(crate) near: Vec<Pair>,
    /// The other's replicas need one of its own.
    pub(crate) needed_by: Vec<Pair>,
    pub(crate) apart: Vec<Pair>,
    /// All its replicas are in one domain.
    pub(crate) together: Vec<Tally>,
}

/// A tally and its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) tally: usize,
    pub(crate) label: u32,
}

/// A number that a tally is not to exceed or fall below.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) tally: usize,
    pub(crate) label: u32,
    pub(crate) bound: u32,
}

/// A cost per replica that is already in the domain.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) tally: usize,
    pub(crate) label: u32,
    pub(crate) step: i64,
}

/// At most such a difference over the eligible domains.
#[derive(Debug)]
pub(crate) struct SkewRule {
    /// Which of the state's histograms is this rule's.
    pub(crate) histogram: usize,
    pub(crate) tally: usize,
    pub(crate) label: u32,
    pub(crate) skew: u32,
    pub(crate) eligible: BitSet,
    pub(crate) domains: u32,
}

/// Two services over the domains of a label.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) label: u32,
    /// The tally of the service that has the pair.
    pub(crate) own: usize,
    /// The tally of the other.
    pub(crate) theirs: usize,
    /// The other service.
    pub(crate) service: usize,
}

impl ServiceRules {
    /// Whether a rule speaks of both this service and the other.
    pub(crate) fn is_linked_with(&self, other: usize) -> bool {
        [&self.near, &self.needed_by, &self.apart].into_iter().flatten().any(|pair| pair.service == other)
    }

    /// The tally of its replicas over the label; a new one if there is none.
    fn tally(&mut self, label: u32, tallies: &mut Vec<(u32, u32)>) -> usize {
        if let Some(found) = self.tallies.iter().find(|tally| tally.label == label) {
            return found.tally;
        }
        tallies.push((label, self.size));
        self.tallies.push(Tally { tally: tallies.len() - 1, label });
        tallies.len() - 1
    }
}

/// The rules of each service.
pub(super) fn all(problem: &Problem, sizes: &[u32], tallies: &mut Vec<(u32, u32)>) -> Vec<ServiceRules> {
    let mut all: Vec<ServiceRules> =
        sizes.iter().map(|size| ServiceRules { size: *size, ..ServiceRules::default() }).collect();
    let mut histograms = 0;
    for (rules, service) in all.iter_mut().zip(&problem.services) {
        for limit in &service.limits {
            let tally = rules.tally(limit.label, tallies);
            rules.limits.push(Bound { tally, label: limit.label, bound: limit.max });
        }
        for least in &service.min_domains {
            let tally = rules.tally(least.label, tallies);
            rules.min_domains.push(Bound { tally, label: least.label, bound: least.count });
        }
        for skew in &service.max_skew {
            let tally = rules.tally(skew.label, tallies);
            let eligible = skew.domains.iter().copied().collect();
            let (label, domains) = (skew.label, skew.domains.len() as u32);
            rules.skews.push(SkewRule { histogram: histograms, tally, label, skew: skew.skew, eligible, domains });
            histograms += 1;
        }
        for even in &service.even {
            let tally = rules.tally(even.label, tallies);
            rules.evens.push(Step { tally, label: even.label, step: even.step });
        }
    }
    for (index, service) in problem.services.iter().enumerate() {
        service.near.iter().for_each(|link| add_near(&mut all, index, link, tallies));
        service.apart.iter().for_each(|link| add_apart(&mut all, index, link, tallies));
    }
    all
}

fn add_near(all: &mut [ServiceRules], service: usize, link: &Link, tallies: &mut Vec<(u32, u32)>) {
    let other = link.service as usize;
    let label = link.label;
    let own = all[service].tally(label, tallies);
    if other == service {
        all[service].together.push(Tally { tally: own, label });
    } else {
        let theirs = all[other].tally(label, tallies);
        all[service].near.push(Pair { label, own, theirs, service: other });
        all[other].needed_by.push(Pair { label, own: theirs, theirs: own, service });
    }
}

/// It holds both ways, however often and on whichever side it is said.
fn add_apart(all: &mut [ServiceRules], service: usize, link: &Link, tallies: &mut Vec<(u32, u32)>) {
    let other = link.service as usize;
    let label = link.label;
    let own = all[service].tally(label, tallies);
    let theirs = all[other].tally(label, tallies);
    for (holder, own, theirs, service) in [(service, own, theirs, other), (other, theirs, own, service)] {
        let pair = Pair { label, own, theirs, service };
        if !all[holder].apart.contains(&pair) {
            all[holder].apart.push(pair);
        }
    }
}
