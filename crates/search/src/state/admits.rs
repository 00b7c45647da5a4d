use super::State;
use super::rules::shortage;
use crate::NO_DOMAIN;
use crate::model::{Model, ServiceRules};

impl State<'_> {
    /// Whether a replica that is unplaced can be put on the node: no capacity and no rule is then exceeded or broken
    /// that was not, or more than it was.
    pub fn admits(&self, replica: u32, node: u32) -> bool {
        let model = &*self.model;
        let (kind, service) = (model.kind(replica), model.service(replica));
        let keys = &model.problem.kinds[kind].exclusive;
        model.allows(kind, node)
            && self.has_room(replica, node)
            && self.service_admits(&model.rules[service], service, node)
            && !keys.iter().any(|key| self.keys[node as usize].contains(key))
    }

    fn service_admits(&self, rules: &ServiceRules, service: usize, node: u32) -> bool {
        let placed = self.placed[service];
        let within = |tally, label| self.within(tally, label, node);
        rules.limits.iter().all(|limit| within(limit.tally, limit.label).is_some_and(|count| count < limit.bound))
            && rules.near.iter().all(|near| within(near.theirs, near.label).is_some_and(|count| count > 0))
            && rules.apart.iter().all(|apart| within(apart.theirs, apart.label).unwrap_or(0) == 0)
            && rules.together.iter().all(|together| {
                let first = self.tallies.occupied(together.tally) == 0;
                within(together.tally, together.label).is_some_and(|count| first || count > 0)
            })
            && rules.min_domains.iter().all(|least| {
                let occupied = self.tallies.occupied(least.tally);
                let opens = u32::from(within(least.tally, least.label) == Some(0));
                shortage(rules, least, placed + 1, occupied + opens) <= shortage(rules, least, placed, occupied)
            })
            && rules.skews.iter().all(|skew| {
                let histogram = &self.histograms[skew.histogram];
                let domain = self.model.domain(skew.label, node);
                let count = || self.tallies.get(skew.tally, domain);
                domain != NO_DOMAIN
                    && (!skew.eligible.contains(domain)
                        || histogram.skew_after(None, Some(count())) <= histogram.skew().max(skew.skew))
            })
    }

    /// Whether the rules of a service let one of its replicas go from the one node to the other, and what that costs.
    #[inline]
    pub(super) fn service_shift(
        &self,
        model: &Model<'_>,
        rules: &ServiceRules,
        service: usize,
        from: u32,
        to: u32,
    ) -> Option<i64> {
        for limit in &rules.limits {
            let (left, joined) = (model.domain(limit.label, from), model.domain(limit.label, to));
            if joined == NO_DOMAIN || left != joined && self.tallies.get(limit.tally, joined) >= limit.bound {
                return None;
            }
        }
        for near in &rules.near {
            if self.within(near.theirs, near.label, to).is_none_or(|count| count == 0) {
                return None;
            }
        }
        for least in &rules.min_domains {
            let (left, joined) = (model.domain(least.label, from), model.domain(least.label, to));
            let occupied = self.tallies.occupied(least.tally);
            // Rarely is a service spread over no more domains than it must be.
            if left == joined || occupied > least.bound {
                continue;
            }
            let after = self.occupied_after(least.tally, left, joined);
            let placed = self.placed[service];
            if shortage(rules, least, placed, after) > shortage(rules, least, placed, occupied) {
                return None;
            }
        }
        for needed in &rules.needed_by {
            let (left, joined) = (model.domain(needed.label, from), model.domain(needed.label, to));
            if left != joined
                && left != NO_DOMAIN
                && self.tallies.get(needed.own, left) == 1
                && self.tallies.get(needed.theirs, left) > 0
            {
                return None;
            }
        }
        for apart in &rules.apart {
            let (left, joined) = (model.domain(apart.label, from), model.domain(apart.label, to));
            if joined != left && joined != NO_DOMAIN && self.tallies.get(apart.theirs, joined) > 0 {
                return None;
            }
        }
        for together in &rules.together {
            let (left, joined) = (model.domain(together.label, from), model.domain(together.label, to));
            let occupied = self.tallies.occupied(together.tally);
            if joined == NO_DOMAIN
                || left != joined && self.occupied_after(together.tally, left, joined) > occupied.max(1)
            {
                return None;
            }
        }
        for skew in &rules.skews {
            let (left, joined) = (model.domain(skew.label, from), model.domain(skew.label, to));
            if joined == NO_DOMAIN {
                return None;
            }
            if left == joined {
                continue;
            }
            let eligible = |domain| domain != NO_DOMAIN && skew.eligible.contains(domain);
            let count = |domain| eligible(domain).then(|| self.tallies.get(skew.tally, domain));
            let histogram = &self.histograms[skew.histogram];
            if histogram.skew_after(count(left), count(joined)) > histogram.skew().max(skew.skew) {
                return None;
            }
        }
        let mut cost = 0;
        for even in &rules.evens {
            let (left, joined) = (model.domain(even.label, from), model.domain(even.label, to));
            if left != joined {
                let others = |domain, itself| match domain {
                    NO_DOMAIN => i64::from(rules.size),
                    _ => i64::from(self.tallies.get(even.tally, domain)) - itself,
                };
                cost += even.step * (others(joined, 0) - others(left, 1));
            }
        }
        Some(cost)
    }

    fn occupied_after(&self, tally: usize, left: u32, joined: u32) -> u32 {
        let closes = left != NO_DOMAIN && self.tallies.get(tally, left) == 1;
        let opens = joined != NO_DOMAIN && self.tallies.get(tally, joined) == 0;
        self.tallies.occupied(tally) + u32::from(opens) - u32::from(closes)
    }
}
