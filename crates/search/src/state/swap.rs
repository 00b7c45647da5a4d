use super::State;

impl State<'_> {
    /// What the cost would change by if two placed replicas had each other's node; `None` if that is not admitted, or
    /// if one rule binds the services of both.
    pub fn swap(&self, first: u32, second: u32) -> Option<i64> {
        self.swap_if::<true>(first, second)
    }

    /// The same where capacity may be exceeded, unless it is `STRICT`: then the penalty for that counts as a cost.
    #[inline]
    pub(crate) fn swap_if<const STRICT: bool>(&self, first: u32, second: u32) -> Option<i64> {
        let model = &*self.model;
        let (one, two) = (self.place[first as usize], self.place[second as usize]);
        if one as usize >= model.nodes || two as usize >= model.nodes || one == two {
            return None;
        }
        let has_room = || self.has_room_instead(first, second, two) && self.has_room_instead(second, first, one);
        if STRICT && !has_room() {
            return None;
        }
        let (kind, other_kind) = (model.kind(first), model.kind(second));
        if !model.allows(kind, two) || !model.allows(other_kind, one) {
            return None;
        }
        if model.exclusive && !(self.has_keys(kind, other_kind, two) && self.has_keys(other_kind, kind, one)) {
            return None;
        }
        let (service, other) = (model.service(first), model.service(second));
        let (away, other_away) = (self.away_change(first, one, two), self.away_change(second, two, one));
        let mut cost = if service == other {
            // They count alike, so nothing changes for their rules, but that one more or less may have moved.
            model.service_move * self.moved.change(service, away + other_away)
        } else {
            let rules = &model.rules[service];
            if rules.is_linked_with(other) {
                return None;
            }
            self.service_shift(model, rules, service, one, two)?
                + self.service_shift(model, &model.rules[other], other, two, one)?
                + model.service_move * self.moved.change_of_two((service, away), (other, other_away))
        };
        let (need, others) = (model.need(kind), model.need(other_kind));
        let fill = self.fill_change(two, Some(kind), Some(other_kind));
        cost += self.site_cost(two, |r| need[r] - others[r], fill) - self.site[two as usize];
        let fill = self.fill_change(one, Some(other_kind), Some(kind));
        cost += self.site_cost(one, |r| others[r] - need[r], fill) - self.site[one as usize];
        if !STRICT {
            cost += self.strain_change(two, model.hold(first, two), model.hold(second, two));
            cost += self.strain_change(one, model.hold(second, one), model.hold(first, one));
        }
        cost += model.move_cost(first, two) - model.move_cost(first, one);
        cost += model.move_cost(second, one) - model.move_cost(second, two);
        if model.gains {
            cost -= model.gain(kind, two) - model.gain(kind, one);
            cost -= model.gain(other_kind, one) - model.gain(other_kind, two);
        }
        Some(cost)
    }

    /// Whether the node has what a kind needs exclusively, once a replica of another kind has left.
    pub(super) fn has_keys(&self, joins: usize, leaves: usize, node: u32) -> bool {
        let kinds = &self.model.problem.kinds;
        let held = &self.keys[node as usize];
        kinds[joins].exclusive.iter().all(|key| !held.contains(key) || kinds[leaves].exclusive.contains(key))
    }
}
