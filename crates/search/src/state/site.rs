use super::State;
use crate::model::Model;

impl State<'_> {
    /// What the node would cost by itself if its use and its sum of fill were changed by so much.
    #[inline]
    pub(super) fn site_cost(&self, node: u32, change: impl Fn(usize) -> i64, fill: i64) -> i64 {
        let model = &*self.model;
        let base = node as usize * model.resources;
        let over = &self.over[base..base + model.resources];
        let mut cost = 0;
        for (r, (over, weight)) in over.iter().zip(&model.weight).enumerate() {
            cost += weight * (over + change(r)).max(0);
        }
        if model.balances {
            let margin = &model.margin[base..base + model.resources];
            let free = |r: u32| margin[r as usize] - over[r as usize] - change(r as usize);
            for balance in &model.problem.balances {
                cost += balance.weight * (balance.target * free(balance.of) - free(balance.against)).max(0);
            }
        }
        if model.fills {
            cost += self.fill_cost(node, change, fill);
        }
        cost
    }

    fn fill_cost(&self, node: u32, change: impl Fn(usize) -> i64, fill: i64) -> i64 {
        let model = &*self.model;
        let fill = i128::from(self.fill[node as usize] + fill);
        if fill == 0 {
            return 0;
        }
        let comfort = &model.problem.nodes[node as usize].comfort;
        let over = &self.over[node as usize * model.resources..];
        let share = model.share(node, |r| over[r] + comfort[r] + change(r));
        let whole = i128::from(model.problem.fill_scale) * i128::from(share) * fill / 1_000_000_000_000;
        (whole * i128::from(model.problem.nodes[node as usize].size) / 1_000_000) as i64
    }

    /// The sum of fill that the node has more when it has the one kind and not the other.
    pub(super) fn fill_change(&self, node: u32, joins: Option<usize>, leaves: Option<usize>) -> i64 {
        let model = &*self.model;
        if !model.fills {
            return 0;
        }
        let fill = |kind: Option<usize>| kind.map_or(0, |kind| model.fill(kind, node));
        fill(joins) - fill(leaves)
    }

    /// Counts the use of a replica that comes to the node (`sign` 1) or leaves it (−1).
    pub(super) fn use_more(&mut self, model: &Model<'_>, replica: u32, node: u32, sign: i64) {
        let kind = model.kind(replica);
        let base = node as usize * model.resources;
        let over = &mut self.over[base..base + model.resources];
        over.iter_mut().zip(model.need(kind)).for_each(|(over, need)| *over += sign * need);
        let free = &mut self.free[base..base + model.resources];
        for (free, hold) in free.iter_mut().zip(model.hold(replica, node)) {
            let after = *free - sign * hold;
            self.excess += (-after).max(0) - (-*free).max(0);
            *free = after;
        }
        self.strain[node as usize] = self.strain_of(node);
        if model.fills {
            self.fill[node as usize] += sign * model.fill(kind, node);
        }
        let cost = self.site_cost(node, |_| 0, 0);
        self.cost.amount += cost - self.site[node as usize];
        self.site[node as usize] = cost;
    }

    /// Whether the node has the room for a replica that is elsewhere.
    #[inline]
    pub(crate) fn has_room(&self, replica: u32, node: u32) -> bool {
        let model = &*self.model;
        let free = &self.free[node as usize * model.resources..][..model.resources];
        free.iter().zip(model.hold(replica, node)).all(|(free, hold)| free >= hold || *hold == 0)
    }

    /// Whether the node has the room for one replica in the place of another.
    #[inline]
    pub(super) fn has_room_instead(&self, joins: u32, leaves: u32, node: u32) -> bool {
        let model = &*self.model;
        let free = &self.free[node as usize * model.resources..][..model.resources];
        let holds = model.hold(joins, node).iter().zip(model.hold(leaves, node));
        free.iter().zip(holds).all(|(free, (joins, leaves))| free + leaves >= *joins || joins <= leaves)
    }

    /// Whether the node could hold the replica if it held nothing else.
    pub(crate) fn could_hold(&self, replica: u32, node: u32) -> bool {
        let model = &*self.model;
        let kind = model.kind(replica);
        let capacity = &model.problem.nodes[node as usize].capacity;
        model.allows(kind, node) && capacity.iter().zip(model.need(kind)).all(|(capacity, need)| capacity >= need)
    }

    /// Whether `member` uses less than the replica, but some, of something that the node has too little of for it.
    pub(crate) fn is_help(&self, member: u32, replica: u32, node: u32) -> bool {
        let model = &*self.model;
        let free = &self.free[node as usize * model.resources..][..model.resources];
        let holds = model.hold(replica, node).iter().zip(model.hold(member, node));
        free.iter().zip(holds).any(|(free, (wanted, held))| free < wanted && *held > 0 && held < wanted)
    }
}
