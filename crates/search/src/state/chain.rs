use super::State;

impl State<'_> {
    /// What the cost would change by if `first` took the place of `second`, and that went on to a third node; `None` if
    /// that is not admitted, or if one rule binds the services of both.
    pub fn chain(&self, first: u32, second: u32, to: u32) -> Option<i64> {
        self.chain_if::<true>(first, second, to)
    }

    /// The same where capacity may be exceeded, unless it is `STRICT`: then the penalty for that counts as a cost.
    #[inline]
    pub(crate) fn chain_if<const STRICT: bool>(&self, first: u32, second: u32, to: u32) -> Option<i64> {
        let model = &*self.model;
        let (one, two) = (self.place[first as usize], self.place[second as usize]);
        if one as usize >= model.nodes || two as usize >= model.nodes || one == two || to == one || to == two {
            return None;
        }
        if STRICT && !(self.has_room_instead(first, second, two) && self.has_room(second, to)) {
            return None;
        }
        let (kind, other_kind) = (model.kind(first), model.kind(second));
        if !model.allows(kind, two) || !model.allows(other_kind, to) {
            return None;
        }
        if model.exclusive {
            let held = &self.keys[to as usize];
            let taken = model.problem.kinds[other_kind].exclusive.iter().any(|key| held.contains(key));
            if taken || !self.has_keys(kind, other_kind, two) {
                return None;
            }
        }
        let (service, other) = (model.service(first), model.service(second));
        let (away, other_away) = (self.away_change(first, one, two), self.away_change(second, two, to));
        let mut cost = if service == other {
            // To their rules it is as if the one went all the way.
            self.service_shift(model, &model.rules[service], service, one, to)?
                + model.service_move * self.moved.change(service, away + other_away)
        } else {
            let rules = &model.rules[service];
            if rules.is_linked_with(other) {
                return None;
            }
            self.service_shift(model, rules, service, one, two)?
                + self.service_shift(model, &model.rules[other], other, two, to)?
                + model.service_move * self.moved.change_of_two((service, away), (other, other_away))
        };
        let (need, others) = (model.need(kind), model.need(other_kind));
        let fill = self.fill_change(two, Some(kind), Some(other_kind));
        cost += self.site_cost(two, |r| need[r] - others[r], fill) - self.site[two as usize];
        let fill = self.fill_change(one, None, Some(kind));
        cost += self.site_cost(one, |r| -need[r], fill) - self.site[one as usize];
        let fill = self.fill_change(to, Some(other_kind), None);
        cost += self.site_cost(to, |r| others[r], fill) - self.site[to as usize];
        if !STRICT {
            cost += self.strain_change(two, model.hold(first, two), model.hold(second, two));
            cost += self.strain_change(one, &model.nothing, model.hold(first, one));
            cost += self.strain_change(to, model.hold(second, to), &model.nothing);
        }
        cost += model.move_cost(first, two) - model.move_cost(first, one);
        cost += model.move_cost(second, to) - model.move_cost(second, two);
        if model.gains {
            cost -= model.gain(kind, two) - model.gain(kind, one);
            cost -= model.gain(other_kind, to) - model.gain(other_kind, two);
        }
        Some(cost)
    }
}
