use super::State;

impl State<'_> {
    /// Sets what a unit of excess counts in changes that are not strict, by resource.
    pub(crate) fn set_penalty(&mut self, penalty: Vec<i64>) {
        self.penalty = penalty;
        for node in 0..self.strain.len() as u32 {
            self.strain[node as usize] = self.strain_of(node);
        }
    }

    /// By how much capacities are exceeded, all together.
    pub(crate) fn excess(&self) -> i64 {
        self.excess
    }

    /// What the excess of the node counts.
    #[inline]
    pub(super) fn strain_of(&self, node: u32) -> i64 {
        let free = &self.free[node as usize * self.model.resources..][..self.model.resources];
        free.iter().zip(&self.penalty).map(|(free, penalty)| penalty * (-free).max(0)).sum()
    }

    /// What the excess of the node would count more if it held the one and no longer the other.
    #[inline]
    pub(super) fn strain_change(&self, node: u32, joins: &[i64], leaves: &[i64]) -> i64 {
        let free = &self.free[node as usize * self.model.resources..][..self.model.resources];
        let holds = joins.iter().zip(leaves);
        let after = free.iter().zip(&self.penalty).zip(holds);
        let after = after.map(|((free, penalty), (joins, leaves))| penalty * (joins - leaves - free).max(0));
        after.sum::<i64>() - self.strain[node as usize]
    }
}
