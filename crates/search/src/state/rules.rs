use super::State;
use super::tallies::Tallies;
use crate::NO_DOMAIN;
use crate::model::{Bound, Pair, ServiceRules, Step};

impl State<'_> {
    /// Counts a replica of the service that comes to the node.
    pub(super) fn join(&mut self, rules: &ServiceRules, service: usize, node: u32) {
        let (broken, cost) = self.joining(rules, service, node);
        self.count(rules, service, node, true);
        self.broken += broken;
        self.cost.amount += cost;
    }

    /// Counts out a replica of the service that leaves the node.
    pub(super) fn leave(&mut self, rules: &ServiceRules, service: usize, node: u32) {
        self.count(rules, service, node, false);
        let (broken, cost) = self.joining(rules, service, node);
        self.broken -= broken;
        self.cost.amount -= cost;
    }

    fn count(&mut self, rules: &ServiceRules, service: usize, node: u32, joins: bool) {
        for skew in &rules.skews {
            let domain = self.model.domain(skew.label, node);
            if domain != NO_DOMAIN && skew.eligible.contains(domain) {
                let count = self.tallies.get(skew.tally, domain);
                let (left, joined) = if joins { (None, Some(count)) } else { (Some(count), None) };
                self.histograms[skew.histogram].change(left, joined);
            }
        }
        for tally in &rules.tallies {
            let domain = self.model.domain(tally.label, node);
            if domain != NO_DOMAIN {
                let change = if joins { Tallies::add } else { Tallies::remove };
                change(&mut self.tallies, tally.tally, domain);
            }
        }
        let placed = &mut self.placed[service];
        *placed = if joins { *placed + 1 } else { *placed - 1 };
    }

    /// How often more rules are broken, and what more the service costs, with one more replica of it on the node.
    fn joining(&self, rules: &ServiceRules, service: usize, node: u32) -> (i64, i64) {
        let mut broken = 0;
        for limit in &rules.limits {
            broken += i64::from(self.within(limit.tally, limit.label, node).is_none_or(|count| count >= limit.bound));
        }
        for least in &rules.min_domains {
            let opens = u32::from(self.within(least.tally, least.label, node) == Some(0));
            broken += shortage(rules, least, self.placed[service] + 1, self.tallies.occupied(least.tally) + opens);
            broken -= shortage(rules, least, self.placed[service], self.tallies.occupied(least.tally));
        }
        for skew in &rules.skews {
            let histogram = &self.histograms[skew.histogram];
            let domain = self.model.domain(skew.label, node);
            if domain == NO_DOMAIN {
                broken += 1;
            } else if skew.eligible.contains(domain) {
                let after = histogram.skew_after(None, Some(self.tallies.get(skew.tally, domain)));
                broken += i64::from(after.saturating_sub(skew.skew));
                broken -= i64::from(histogram.skew().saturating_sub(skew.skew));
            }
        }
        for near in &rules.near {
            broken += i64::from(self.within(near.theirs, near.label, node).is_none_or(|count| count == 0));
        }
        for needed in &rules.needed_by {
            if self.within(needed.own, needed.label, node) == Some(0) {
                broken -= i64::from(self.within(needed.theirs, needed.label, node).unwrap_or(0));
            }
        }
        for together in &rules.together {
            let first = self.tallies.occupied(together.tally) == 0;
            broken += match self.within(together.tally, together.label, node) {
                None => 1,
                Some(count) => i64::from(count == 0 && !first),
            };
        }
        for apart in &rules.apart {
            broken += i64::from(self.within(apart.theirs, apart.label, node).unwrap_or(0));
        }
        (broken, self.joining_cost(rules, node))
    }

    /// What more the service costs with one more replica of it on the node.
    #[inline]
    pub(super) fn joining_cost(&self, rules: &ServiceRules, node: u32) -> i64 {
        let others = |even: &Step| self.within(even.tally, even.label, node).unwrap_or(rules.size);
        rules.evens.iter().map(|even| even.step * i64::from(others(even))).sum()
    }

    /// A service that a replica of this one needs near it, and would not find on the node.
    pub(crate) fn misses(&self, service: usize, node: u32) -> Option<usize> {
        let mut near = self.model.rules[service].near.iter();
        Some(near.find(|near| self.within(near.theirs, near.label, node) == Some(0))?.service)
    }

    /// A service with replicas near the node that need one of this service there, where none is.
    pub(crate) fn strands(&self, service: usize, node: u32) -> Option<usize> {
        let within = |tally, label| self.within(tally, label, node);
        let mut needed = self.model.rules[service].needed_by.iter();
        let stranded = |pair: &&Pair| {
            within(pair.own, pair.label) == Some(0) && within(pair.theirs, pair.label).is_some_and(|count| count > 0)
        };
        Some(needed.find(stranded)?.service)
    }

    /// How many domains short the service is of what its rules ask for.
    pub(super) fn shortage(&self, service: usize) -> i64 {
        let rules = &self.model.rules[service];
        let least = rules.min_domains.iter();
        least.map(|least| shortage(rules, least, self.placed[service], self.tallies.occupied(least.tally))).sum()
    }

    /// How many replicas the tally has in the node's domain; `None` if the node is in none.
    #[inline]
    pub(super) fn within(&self, tally: usize, label: u32, node: u32) -> Option<u32> {
        let domain = self.model.domain(label, node);
        (domain != NO_DOMAIN).then(|| self.tallies.get(tally, domain))
    }
}

/// By how much `occupied` is less than what is required of so many placed replicas.
pub(super) fn shortage(rules: &ServiceRules, least: &Bound, placed: u32, occupied: u32) -> i64 {
    let whole = placed == rules.size && placed > 0;
    let required = if whole { least.bound } else { least.bound.min(placed) };
    i64::from(required.saturating_sub(occupied))
}
