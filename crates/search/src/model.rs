mod service_rules;

pub(crate) use service_rules::{Bound, Pair, ServiceRules, Step};

use crate::Problem;

/// No node: the place of what is unplaced, the start of what is new.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// A problem as the search reads it: flat, and with what follows from it worked out once.
#[derive(Debug)]
pub(crate) struct Model<'p> {
    pub(crate) problem: &'p Problem,
    pub(crate) resources: usize,
    pub(crate) nodes: usize,
    /// What a unit above comfort costs, by resource.
    pub(crate) weight: Vec<i64>,
    /// By kind and resource.
    need: Vec<i64>,
    /// The same without the transient resources: those are held for a replica on its start whether it is there or not.
    steady: Vec<i64>,
    /// Nothing of any resource.
    pub(crate) nothing: Vec<i64>,
    /// Capacity less comfort, by node and resource.
    pub(crate) margin: Vec<i64>,
    pub(crate) kind_of: Vec<u32>,
    pub(crate) service_of: Vec<u32>,
    pub(crate) start: Vec<u32>,
    /// What a replica of the kind costs for having moved, wherever to.
    move_cost: Vec<i64>,
    pub(crate) service_move: i64,
    pub(crate) rules: Vec<ServiceRules>,
    /// The label, and the number of replicas, that each tally is over.
    pub(crate) tallies: Vec<(u32, u32)>,
    /// By label and node.
    domain_of: Vec<u32>,
    pub(crate) fills: bool,
    pub(crate) balances: bool,
    pub(crate) gains: bool,
    pub(crate) exclusive: bool,
}

impl<'p> Model<'p> {
    /// Of a problem that has been checked.
    pub(crate) fn new(problem: &'p Problem) -> Self {
        let resources = problem.resources.len();
        let nodes = problem.nodes.len();
        let need: Vec<i64> = problem.kinds.iter().flat_map(|kind| kind.need.iter().copied()).collect();
        let transient = problem.resources.iter().map(|resource| resource.transient).cycle();
        let steady = need.iter().zip(transient).map(|(need, transient)| if transient { 0 } else { *need }).collect();
        let margin = |node: &crate::Node| -> Vec<i64> {
            node.capacity.iter().zip(&node.comfort).map(|(capacity, comfort)| capacity - comfort).collect()
        };
        let kind_of: Vec<u32> = problem.replicas.iter().map(|replica| replica.kind).collect();
        let service_of: Vec<u32> = problem.kinds.iter().map(|kind| kind.service).collect();
        let mut sizes = vec![0; problem.services.len()];
        kind_of.iter().for_each(|kind| sizes[service_of[*kind as usize] as usize] += 1);
        let mut tallies = Vec::new();
        let rules = service_rules::all(problem, &sizes, &mut tallies);
        Self {
            problem,
            resources,
            nodes,
            weight: problem.resources.iter().map(|resource| resource.load_weight).collect(),
            need,
            steady,
            nothing: vec![0; resources],
            margin: problem.nodes.iter().flat_map(margin).collect(),
            kind_of,
            service_of,
            start: problem.replicas.iter().map(|replica| replica.start.unwrap_or(NOWHERE)).collect(),
            move_cost: problem.kinds.iter().map(|kind| problem.moves.replica * kind.move_cost).collect(),
            service_move: problem.moves.service,
            rules,
            tallies,
            domain_of: problem.labels.iter().flat_map(|label| label.domain_of.iter().copied()).collect(),
            fills: problem.fill_scale != 0 && problem.kinds.iter().any(|kind| kind.fill != 0),
            balances: problem.balances.iter().any(|balance| balance.weight != 0),
            gains: problem.kinds.iter().any(|kind| !kind.gains.is_empty()),
            exclusive: problem.kinds.iter().any(|kind| !kind.exclusive.is_empty()),
        }
    }

    #[inline]
    pub(crate) fn kind(&self, replica: u32) -> usize {
        self.kind_of[replica as usize] as usize
    }

    #[inline]
    pub(crate) fn service(&self, replica: u32) -> usize {
        self.service_of[self.kind(replica)] as usize
    }

    /// What a replica of the kind uses where it is.
    #[inline]
    pub(crate) fn need(&self, kind: usize) -> &[i64] {
        &self.need[kind * self.resources..][..self.resources]
    }

    /// What comes to be held on `node` when the replica comes.
    #[inline]
    pub(crate) fn hold(&self, replica: u32, node: u32) -> &[i64] {
        let from = if self.start[replica as usize] == node { &self.steady } else { &self.need };
        &from[self.kind(replica) * self.resources..][..self.resources]
    }

    #[inline]
    pub(crate) fn domain(&self, label: u32, node: u32) -> u32 {
        self.domain_of[label as usize * self.nodes + node as usize]
    }

    #[inline]
    pub(crate) fn allows(&self, kind: usize, node: u32) -> bool {
        self.problem.kinds[kind].allowed.as_ref().is_none_or(|allowed| allowed.contains(node))
    }

    /// What is taken off the cost for a replica of the kind on the node.
    pub(crate) fn gain(&self, kind: usize, node: u32) -> i64 {
        let gains = self.problem.kinds[kind].gains.iter();
        gains.filter(|gain| self.domain(gain.label, node) == gain.domain).map(|gain| gain.points).sum()
    }

    /// Whether a replica that is on `node` has moved.
    #[inline]
    pub(crate) fn is_away(&self, replica: u32, node: u32) -> bool {
        let start = self.start[replica as usize];
        start != NOWHERE && start != node
    }

    /// What it costs that the replica is on `node`, moved there from its start.
    #[inline]
    pub(crate) fn move_cost(&self, replica: u32, node: u32) -> i64 {
        if !self.is_away(replica, node) {
            return 0;
        }
        let moves = &self.problem.moves;
        let start = self.start[replica as usize] as usize;
        let distance = moves.distance.as_ref().map_or(0, |distance| distance[start * self.nodes + node as usize]);
        self.move_cost[self.kind(replica)] + moves.node * distance
    }

    /// The share of the node that a use is: the greatest over its resources, in millionths.
    pub(crate) fn share(&self, node: u32, using: impl Fn(usize) -> i64) -> i64 {
        let capacity = self.problem.nodes[node as usize].capacity.iter().enumerate();
        let full = capacity.filter(|(r, capacity)| **capacity > 0 && self.problem.resources[*r].fills);
        full.map(|(r, capacity)| millionths(using(r), *capacity)).max().unwrap_or(0)
    }

    /// What a replica of the kind adds to the sum that [`Problem::fill_scale`] speaks of.
    pub(crate) fn fill(&self, kind: usize, node: u32) -> i64 {
        match self.problem.kinds[kind].fill {
            0 => 0,
            fill => fill * self.share(node, |r| self.need(kind)[r]),
        }
    }
}

fn millionths(using: i64, capacity: i64) -> i64 {
    match using.checked_mul(1_000_000) {
        Some(product) => product / capacity,
        None => (i128::from(using) * 1_000_000 / i128::from(capacity)) as i64,
    }
}
