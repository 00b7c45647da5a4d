use std::cmp::Ordering;

use super::Walk;
use crate::model::NOWHERE;
use crate::state::Standing;

/// At most so many replicas make room.
const MOST: usize = 7;

/// So many nodes are looked at for each of them.
const LOOKS: usize = 64;

/// What a rearrangement must come to.
struct Goal {
    /// What there was before.
    standing: Standing,
    /// How much more it may cost.
    bearable: f64,
    /// Whether one more replica is placed by it.
    is_new: bool,
}

impl Goal {
    fn is_in_reach(&self, now: Standing) -> bool {
        self.is_new || (now.cost.amount - self.standing.cost.amount) as f64 <= self.bearable
    }

    fn is_reached(&self, now: Standing) -> bool {
        now.excess <= self.standing.excess
            && now.broken <= self.standing.broken
            && match now.cost.unplaced.cmp(&self.standing.cost.unplaced) {
                Ordering::Less => true,
                Ordering::Equal => (now.cost.amount - self.standing.cost.amount) as f64 <= self.bearable,
                Ordering::Greater => false,
            }
    }
}

impl Walk<'_, '_> {
    /// Gives a replica a place on a node by taking others off it, which then go to the best places that are found.
    pub(super) fn rearrange(&mut self, replica: u32) {
        let replica = match self.unplaced.len() {
            0 => replica,
            count => {
                let at = self.random.below(count);
                let unplaced = self.unplaced[at];
                if self.state.node_of(unplaced).is_some() {
                    self.unplaced.swap_remove(at);
                    return;
                }
                unplaced
            }
        };
        let node = self.random.below(self.state.model().nodes) as u32;
        if self.state.node_of(replica) == Some(node) || !self.state.could_hold(replica, node) {
            return;
        }
        let before = self.standing();
        let goal = Goal {
            standing: before,
            bearable: self.heat.now() * self.noise.next(&mut self.random),
            is_new: self.state.node_of(replica).is_none(),
        };
        let is_better = self.make_room(replica, node) && {
            self.state.put(replica, node);
            self.find_places(replica, &goal)
        };
        if is_better && goal.is_reached(self.standing()) {
            for (replica, from) in self.taken.drain(..) {
                self.best.note(replica, from);
                if self.state.node_of(replica).is_none() {
                    self.unplaced.push(replica);
                }
            }
            self.best.compare(&self.state);
        } else {
            self.undo();
        }
    }

    /// Takes the replica, and others off the node until it is admitted there.
    fn make_room(&mut self, replica: u32, node: u32) -> bool {
        self.take(replica);
        let left = self.taken[0].1;
        if left != NOWHERE && !self.take_stranded(left) {
            return false;
        }
        let mut more = self.random.below(3);
        loop {
            let fits = self.state.has_room(replica, node);
            if fits && more == 0 {
                return self.bring_needed(replica, left, node) && self.state.admits(replica, node);
            }
            more -= usize::from(fits);
            let members = self.state.members(node);
            if members.is_empty() || self.taken.len() > MOST {
                return false;
            }
            let mut other = members[self.random.below(members.len())];
            // A large one would hardly find a place itself, and one that uses nothing that is short is of no help.
            for _ in 0..3 {
                if self.state.is_help(other, replica, node) {
                    break;
                }
                other = members[self.random.below(members.len())];
            }
            if !self.is_movable[other as usize] {
                return false;
            }
            self.take(other);
        }
    }

    /// Takes what needs a replica that was taken off the node; where it goes is found like for all others.
    fn take_stranded(&mut self, node: u32) -> bool {
        let mut index = 0;
        while let Some((taken, _)) = self.taken.get(index).copied() {
            while let Some(service) = self.state.strands(self.state.model().service(taken), node) {
                match self.member(service, node) {
                    Some(member) if self.taken.len() <= MOST => self.take(member),
                    _ => return false,
                }
            }
            index += 1;
        }
        true
    }

    /// Puts on the node what the replica needs there, from where it came.
    fn bring_needed(&mut self, replica: u32, left: u32, node: u32) -> bool {
        while let Some(service) = self.state.misses(self.state.model().service(replica), node) {
            let Some(member) = (left != NOWHERE).then(|| self.member(service, left)).flatten() else { return false };
            self.take(member);
            if !self.state.admits(member, node) {
                return false;
            }
            self.state.put(member, node);
        }
        true
    }

    /// A replica of the service on the node that may move.
    fn member(&self, service: usize, node: u32) -> Option<u32> {
        let mut members = self.state.members(node).iter().copied();
        members.find(|member| self.is_movable[*member as usize] && self.state.model().service(*member) == service)
    }

    /// Places what was taken besides the replica, each where it costs least, give or take the heat.
    fn find_places(&mut self, replica: u32, goal: &Goal) -> bool {
        let nodes = self.state.model().nodes;
        let heat = self.heat.now();
        let left = self.taken[0].1;
        for index in 1..self.taken.len() {
            // What is still to be placed will hardly make it cheaper: most attempts end here.
            if !goal.is_in_reach(self.standing()) {
                return false;
            }
            let (other, _) = self.taken[index];
            if self.state.node_of(other).is_some() {
                continue;
            }
            let home = self.state.model().start[other as usize];
            let offset = self.random.below(nodes);
            let looks = (0..nodes.min(LOOKS)).map(|look| ((offset + look) % nodes) as u32);
            let mut best = None;
            let mut least = f64::INFINITY;
            for to in looks.chain([home, left]).filter(|to| *to != NOWHERE) {
                let Some(cost) = self.state.placing(other, to) else { continue };
                let cost = cost as f64 + heat * self.noise.next(&mut self.random);
                if cost < least {
                    (best, least) = (Some(to), cost);
                }
            }
            match best {
                Some(to) => self.state.put(other, to),
                // Only for a replica that matters more may another be left without a place.
                None if left == NOWHERE && self.state.importance(other) < self.state.importance(replica) => {}
                None => return false,
            }
        }
        true
    }

    fn take(&mut self, replica: u32) {
        let from = self.state.take(replica).unwrap_or(NOWHERE);
        self.taken.push((replica, from));
    }

    /// Puts everything back.
    fn undo(&mut self) {
        for (replica, _) in &self.taken {
            self.state.take(*replica);
        }
        for (replica, from) in self.taken.drain(..) {
            if from != NOWHERE {
                self.state.put(replica, from);
            }
        }
    }
}
