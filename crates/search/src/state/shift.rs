use super::State;

impl State<'_> {
    /// What the cost would change by if an unplaced replica were put on the node, but for its being placed; `None` if
    /// that is not admitted.
    #[inline]
    pub fn placing(&self, replica: u32, to: u32) -> Option<i64> {
        if !self.admits(replica, to) {
            return None;
        }
        let model = &*self.model;
        let (kind, service) = (model.kind(replica), model.service(replica));
        let need = model.need(kind);
        let mut cost = self.joining_cost(&model.rules[service], to);
        cost += self.site_cost(to, |r| need[r], self.fill_change(to, Some(kind), None)) - self.site[to as usize];
        cost += model.move_cost(replica, to) - model.gain(kind, to);
        Some(cost + model.service_move * self.moved.change(service, i64::from(model.is_away(replica, to))))
    }

    /// What the cost would change by if a placed replica were on another node; `None` if that is not admitted.
    pub fn shift(&self, replica: u32, to: u32) -> Option<i64> {
        self.shift_if::<true>(replica, to)
    }

    /// The same where capacity may be exceeded, unless it is `STRICT`: then the penalty for that counts as a cost.
    #[inline]
    pub(crate) fn shift_if<const STRICT: bool>(&self, replica: u32, to: u32) -> Option<i64> {
        let model = &*self.model;
        let from = self.place[replica as usize];
        if from as usize >= model.nodes || from == to || STRICT && !self.has_room(replica, to) {
            return None;
        }
        let (kind, service) = (model.kind(replica), model.service(replica));
        if !model.allows(kind, to) {
            return None;
        }
        if model.exclusive {
            let held = &self.keys[to as usize];
            if model.problem.kinds[kind].exclusive.iter().any(|key| held.contains(key)) {
                return None;
            }
        }
        let mut cost = self.service_shift(model, &model.rules[service], service, from, to)?;
        let need = model.need(kind);
        cost += self.site_cost(to, |r| need[r], self.fill_change(to, Some(kind), None)) - self.site[to as usize];
        cost += self.site_cost(from, |r| -need[r], self.fill_change(from, None, Some(kind))) - self.site[from as usize];
        if !STRICT {
            cost += self.strain_change(to, model.hold(replica, to), &model.nothing);
            cost += self.strain_change(from, &model.nothing, model.hold(replica, from));
        }
        cost += model.move_cost(replica, to) - model.move_cost(replica, from);
        if model.gains {
            cost -= model.gain(kind, to) - model.gain(kind, from);
        }
        Some(cost + model.service_move * self.moved.change(service, self.away_change(replica, from, to)))
    }

    /// How many more moved replicas there are when this one goes from one node to another.
    #[inline]
    pub(super) fn away_change(&self, replica: u32, from: u32, to: u32) -> i64 {
        i64::from(self.model.is_away(replica, to)) - i64::from(self.model.is_away(replica, from))
    }
}
