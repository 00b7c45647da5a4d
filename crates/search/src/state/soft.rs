use super::State;

impl State<'_> {
    #[inline]
    pub(crate) fn excess_join(&self, replica: u32, node: u32) -> i64 {
        let model = &*self.model;
        let free = &self.free[node as usize * model.resources..][..model.resources];
        let mut d = 0;
        for (f, h) in free.iter().zip(model.hold(replica, node)) {
            d += (h - f).max(0) - (-f).max(0);
        }
        d
    }
    #[inline]
    pub(crate) fn excess_leave(&self, replica: u32, node: u32) -> i64 {
        let model = &*self.model;
        let free = &self.free[node as usize * model.resources..][..model.resources];
        let mut d = 0;
        for (f, h) in free.iter().zip(model.hold(replica, node)) {
            d += (-f - h).max(0) - (-f).max(0);
        }
        d
    }
    #[inline]
    pub(crate) fn excess_swap(&self, joins: u32, leaves: u32, node: u32) -> i64 {
        let model = &*self.model;
        let free = &self.free[node as usize * model.resources..][..model.resources];
        let mut d = 0;
        for ((f, j), l) in free.iter().zip(model.hold(joins, node)).zip(model.hold(leaves, node)) {
            d += (j - l - f).max(0) - (-f).max(0);
        }
        d
    }

    pub(crate) fn fits_empty(&self, replica: u32, node: u32) -> bool {
        let model = &*self.model;
        let capacity = &model.problem.nodes[node as usize].capacity;
        capacity.iter().zip(model.need(model.kind(replica))).all(|(c, n)| c >= n)
    }
    pub(crate) fn helps(&self, replica: u32, pick: u32, node: u32) -> bool {
        let model = &*self.model;
        let free = &self.free[node as usize * model.resources..][..model.resources];
        free.iter().zip(model.hold(replica, node)).zip(model.hold(pick, node)).any(|((f, h), p)| f < h && *p > 0 && p < h)
    }
}
