mod admits;
mod chain;
mod histogram;
mod moved;
mod rules;
mod shift;
mod site;
mod standing;
mod strain;
mod swap;
mod tallies;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::histogram::Histogram;
use self::moved::Moved;
pub(crate) use self::standing::Standing;
use self::tallies::Tallies;
use crate::model::{Model, NOWHERE};
use crate::{Cost, Problem, Refusal};

/// A layout with everything counted that rules and costs ask for, so that a change costs little.
#[derive(Debug, Clone)]
pub struct State<'p> {
    model: Arc<Model<'p>>,
    place: Vec<u32>,
    /// The replicas on each node, in no order.
    members: Vec<Vec<u32>>,
    /// Where each replica is among the members of its node.
    rank: Vec<u32>,
    /// Use less comfort, by node and resource.
    over: Vec<i64>,
    /// Capacity less use less what is held for replicas that have left, by node and resource.
    free: Vec<i64>,
    /// What each node costs by itself.
    site: Vec<i64>,
    /// What the excess of each node counts, where there is a penalty.
    strain: Vec<i64>,
    /// What a unit of excess counts, by resource.
    penalty: Vec<i64>,
    /// The sum of fill by node.
    fill: Vec<i64>,
    tallies: Tallies,
    histograms: Vec<Histogram>,
    /// How many replicas of each service are placed.
    placed: Vec<u32>,
    /// The exclusive things of each node that are taken, as often as they are.
    keys: Vec<Vec<u32>>,
    moved: Moved,
    cost: Cost,
    /// By how much capacities are exceeded, all together.
    excess: i64,
    /// How often rules are broken.
    broken: i64,
}

impl<'p> State<'p> {
    /// The layout in which each replica is on the given node, or on none.
    ///
    /// # Errors
    /// The problem does not pass [`Problem::check`], or the layout does not fit it.
    pub fn new(problem: &'p Problem, layout: &[Option<u32>]) -> Result<Self, Refusal> {
        problem.check()?;
        problem.check_layout(layout)?;
        Ok(Self::of_checked(problem, layout))
    }

    /// The same of what has been checked.
    pub(crate) fn of_checked(problem: &'p Problem, layout: &[Option<u32>]) -> Self {
        let mut state = Self::empty(Arc::new(Model::new(problem)));
        for (replica, node) in (0..).zip(layout) {
            if let Some(node) = node {
                state.put(replica, *node);
            }
        }
        state
    }

    fn empty(model: Arc<Model<'p>>) -> Self {
        let problem = model.problem;
        let (nodes, replicas) = (problem.nodes.len(), problem.replicas.len());
        let mut free: Vec<i64> = problem.nodes.iter().flat_map(|node| node.capacity.iter().copied()).collect();
        for (replica, start) in (0..).zip(&model.start) {
            if *start != NOWHERE {
                let kind = model.kind(replica);
                let held = model.need(kind).iter().zip(model.hold(replica, *start)).map(|(need, steady)| need - steady);
                let free = &mut free[*start as usize * model.resources..][..model.resources];
                free.iter_mut().zip(held).for_each(|(free, held)| *free -= held);
            }
        }
        let domains = |(label, size): &(u32, u32)| (problem.labels[*label as usize].domains, *size);
        let histograms = model.rules.iter().flat_map(|rules| &rules.skews);
        let mut state = Self {
            place: vec![NOWHERE; replicas],
            members: vec![Vec::new(); nodes],
            rank: vec![0; replicas],
            over: problem.nodes.iter().flat_map(|node| node.comfort.iter().map(|comfort| -comfort)).collect(),
            excess: free.iter().map(|free| (-free).max(0)).sum(),
            free,
            site: vec![0; nodes],
            strain: vec![0; nodes],
            penalty: vec![0; model.resources],
            fill: vec![0; nodes],
            tallies: Tallies::new(model.tallies.iter().map(domains)),
            histograms: histograms.map(|skew| Histogram::new(skew.domains)).collect(),
            placed: vec![0; problem.services.len()],
            keys: vec![Vec::new(); nodes],
            moved: Moved::new(model.rules.iter().map(|rules| rules.size)),
            cost: Cost::default(),
            broken: 0,
            model,
        };
        state.cost.unplaced = (0..replicas as u32).map(|replica| state.importance(replica)).sum();
        state.broken = (0..state.placed.len()).map(|service| state.shortage(service)).sum();
        for node in 0..nodes as u32 {
            state.site[node as usize] = state.site_cost(node, |_| 0, 0);
        }
        state.cost.amount = state.site.iter().sum();
        state
    }

    /// Places a replica that is on no node, whether that is allowed or not.
    pub fn put(&mut self, replica: u32, node: u32) {
        let model = Arc::clone(&self.model);
        let (kind, service) = (model.kind(replica), model.service(replica));
        self.place[replica as usize] = node;
        self.rank[replica as usize] = self.members[node as usize].len() as u32;
        self.members[node as usize].push(replica);
        self.use_more(&model, replica, node, 1);
        self.join(&model.rules[service], service, node);
        if model.exclusive {
            self.take_keys(&model.problem.kinds[kind].exclusive, node);
        }
        if model.is_away(replica, node) {
            let before = self.moved.greatest();
            self.moved.away(service);
            self.cost.amount += model.service_move * (self.moved.greatest() - before);
        }
        self.broken += i64::from(!model.allows(kind, node));
        self.cost.amount += model.move_cost(replica, node) - model.gain(kind, node);
        self.cost.unplaced -= self.importance(replica);
    }

    /// Takes a replica off the node that it is on; gives back which that was.
    pub fn take(&mut self, replica: u32) -> Option<u32> {
        let node = self.node_of(replica)?;
        let model = Arc::clone(&self.model);
        let (kind, service) = (model.kind(replica), model.service(replica));
        self.place[replica as usize] = NOWHERE;
        let rank = self.rank[replica as usize] as usize;
        self.members[node as usize].swap_remove(rank);
        if let Some(drawn) = self.members[node as usize].get(rank) {
            self.rank[*drawn as usize] = rank as u32;
        }
        self.use_more(&model, replica, node, -1);
        self.leave(&model.rules[service], service, node);
        if model.exclusive {
            self.return_keys(&model.problem.kinds[kind].exclusive, node);
        }
        if model.is_away(replica, node) {
            let before = self.moved.greatest();
            self.moved.back(service);
            self.cost.amount += model.service_move * (self.moved.greatest() - before);
        }
        self.broken -= i64::from(!model.allows(kind, node));
        self.cost.amount -= model.move_cost(replica, node) - model.gain(kind, node);
        self.cost.unplaced += self.importance(replica);
        Some(node)
    }

    /// The node that the replica is on.
    pub fn node_of(&self, replica: u32) -> Option<u32> {
        let node = self.place[replica as usize];
        (node != NOWHERE).then_some(node)
    }

    /// What the layout costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether no capacity is exceeded and no rule broken.
    pub fn is_valid(&self) -> bool {
        self.excess == 0 && self.broken == 0
    }

    /// The layout itself.
    pub fn layout(&self) -> Vec<Option<u32>> {
        (0..self.place.len() as u32).map(|replica| self.node_of(replica)).collect()
    }

    pub(crate) fn model(&self) -> &Model<'p> {
        &self.model
    }

    /// The replicas on the node, in no order.
    pub(crate) fn members(&self, node: u32) -> &[u32] {
        &self.members[node as usize]
    }

    /// The node of each replica, or [`NOWHERE`].
    pub(crate) fn places(&self) -> &[u32] {
        &self.place
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing { broken: self.broken, excess: self.excess, cost: self.cost }
    }

    pub(crate) fn importance(&self, replica: u32) -> i64 {
        self.model.problem.kinds[self.model.kind(replica)].importance
    }

    fn take_keys(&mut self, keys: &[u32], node: u32) {
        let held = &mut self.keys[node as usize];
        self.broken += keys.iter().filter(|key| held.contains(key)).count() as i64;
        held.extend(keys);
    }

    fn return_keys(&mut self, keys: &[u32], node: u32) {
        let held = &mut self.keys[node as usize];
        for key in keys {
            if let Some(at) = held.iter().position(|held| held == key) {
                held.swap_remove(at);
            }
        }
        self.broken -= keys.iter().filter(|key| held.contains(key)).count() as i64;
    }
}
