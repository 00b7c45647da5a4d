use super::Walk;
use crate::model::NOWHERE;

/// Of 1024 steps, so many are chains of two replicas,
const CHAIN: usize = 512;
/// so many more swap two replicas,
const SWAP: usize = CHAIN + 160;
/// so many rearrange a node, each of which takes as long as a hundred others, and the others shift one.
const REARRANGE: usize = SWAP + 32;

/// While capacities may be exceeded, so many are chains, as two shifts come to the same,
const LENIENT_CHAIN: usize = 100;
/// and so many more are swaps.
const LENIENT_SWAP: usize = LENIENT_CHAIN + 400;

impl Walk<'_, '_> {
    /// Considers one change.
    #[inline]
    pub(super) fn step(&mut self) {
        let dice = self.random.below(1024);
        let replica = self.movable[self.random.below(self.movable.len())];
        if self.lenience.is_given() {
            match dice {
                0..LENIENT_CHAIN => self.chain::<false>(replica),
                LENIENT_CHAIN..LENIENT_SWAP => self.swap::<false>(replica),
                _ => self.shift::<false>(replica),
            }
        } else {
            match dice {
                0..CHAIN => self.chain::<true>(replica),
                CHAIN..SWAP => self.swap::<true>(replica),
                SWAP..REARRANGE => self.rearrange(replica),
                _ => self.shift::<true>(replica),
            }
        }
    }

    /// Somewhere for a replica to go.
    fn target(&mut self, replica: u32) -> Option<u32> {
        let model = self.state.model();
        let (home, kind) = (model.start[replica as usize], model.kind(replica));
        if self.is_held && home != NOWHERE && self.random.below(8) == 0 {
            return Some(home);
        }
        self.reach.draw(kind, &mut self.random)
    }

    /// Whether a replica could ever be on the node.
    fn could_go(&self, replica: u32, node: u32) -> bool {
        let model = self.state.model();
        self.reach.holds(model.kind(replica), node) || model.start[replica as usize] == node
    }

    /// A replica on the node that may move.
    fn any_member(&mut self, node: u32) -> Option<u32> {
        let members = self.state.members(node);
        if members.is_empty() {
            return None;
        }
        let member = members[self.random.below(members.len())];
        self.is_movable[member as usize].then_some(member)
    }

    /// Whether the walk takes a change that costs so much.
    fn accepts(&mut self, cost: i64) -> bool {
        cost <= 0 || cost as f64 <= self.heat.now() * self.noise.next(&mut self.random)
    }

    fn shift<const STRICT: bool>(&mut self, replica: u32) {
        if let Some(node) = self.target(replica)
            && let Some(cost) = self.state.shift_if::<STRICT>(replica, node)
            && self.accepts(cost)
        {
            self.change(&[(replica, node)]);
        }
    }

    fn swap<const STRICT: bool>(&mut self, replica: u32) {
        if let Some(one) = self.state.node_of(replica)
            && let Some(two) = self.target(replica)
            && let Some(other) = self.any_member(two)
            && self.could_go(other, one)
            && let Some(cost) = self.state.swap_if::<STRICT>(replica, other)
            && self.accepts(cost)
        {
            self.change(&[(replica, two), (other, one)]);
        }
    }

    /// A replica takes the place of another, which most often goes home: what has moved holds transient resources on two
    /// nodes, so that much can only move when something else moves back.
    fn chain<const STRICT: bool>(&mut self, replica: u32) {
        let Some(node) = self.target(replica) else { return };
        let Some(other) = self.any_member(node) else { return };
        let home = self.state.model().start[other as usize];
        let goes_home = self.is_held && home != NOWHERE && home != node && self.random.below(8) > 0;
        let to = if goes_home { Some(home) } else { self.target(other) };
        if let Some(to) = to
            && let Some(cost) = self.state.chain_if::<STRICT>(replica, other, to)
            && self.accepts(cost)
        {
            self.change(&[(replica, node), (other, to)]);
        }
    }
}
