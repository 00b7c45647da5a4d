use super::Walk;
use crate::model::NOWHERE;

/// Of 1024 steps, so many rearrange a node,
const REARRANGE: usize = 32;
/// so many more are chains of two replicas,
const CHAIN: usize = REARRANGE + 512;
/// so many more swap two replicas, and the others shift one.
const SWAP: usize = CHAIN + 160;

impl Walk<'_, '_> {
    /// Considers one change.
    #[inline]
    pub(super) fn step(&mut self) {
        let dice = self.random.below(1024);
        let replica = self.movable[self.random.below(self.movable.len())];
        if dice < REARRANGE {
            self.rearrange(replica);
        } else if dice < CHAIN {
            self.chain(replica);
        } else if dice < SWAP {
            self.swap(replica);
        } else {
            self.shift(replica);
        }
    }

    fn node(&mut self) -> u32 {
        self.random.below(self.state.model().nodes) as u32
    }

    /// Whether the walk takes a change that costs so much.
    pub(super) fn accepts(&mut self, cost: i64) -> bool {
        cost <= 0 || cost as f64 <= self.heat.now() * self.noise.next(&mut self.random)
    }

    fn shift(&mut self, replica: u32) {
        let node = self.node();
        if let Some(cost) = self.state.shift(replica, node)
            && self.accepts(cost)
        {
            self.change(&[(replica, node)]);
        }
    }

    fn swap(&mut self, replica: u32) {
        let other = self.movable[self.random.below(self.movable.len())];
        if let Some(cost) = self.state.swap(replica, other)
            && self.accepts(cost)
            && let (Some(one), Some(two)) = (self.state.node_of(replica), self.state.node_of(other))
        {
            self.change(&[(replica, two), (other, one)]);
        }
    }

    /// A replica takes the place of another, which most often goes home: what has moved holds transient resources on two
    /// nodes, so that much can only move when something else moves back.
    fn chain(&mut self, replica: u32) {
        let node = self.node();
        let members = self.state.members(node);
        if members.is_empty() {
            return;
        }
        let other = members[self.random.below(members.len())];
        if !self.is_movable[other as usize] {
            return;
        }
        let home = self.state.model().start[other as usize];
        let goes_home = home != NOWHERE && home != node && self.random.below(8) > 0;
        let to = if goes_home { home } else { self.node() };
        if let Some(cost) = self.state.chain(replica, other, to)
            && self.accepts(cost)
        {
            self.change(&[(replica, node), (other, to)]);
        }
    }
}
