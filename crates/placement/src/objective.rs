use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_spec::{Amount, Name};

/// What makes a whole placement good, besides what each service prefers. Amounts are counted as [`Host`] and [`Demand`]
/// count them: thousandths of a core, bytes, pieces. Costs are in billionths of a point.
///
/// [`Host`]: crate::Host
/// [`Demand`]: crate::Demand
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Objective {
    /// Resources that a replica needs on both nodes while it moves from one to the other.
    pub transient: BTreeSet<String>,
    /// Resources of which the reserve may be used at a cost.
    pub soft_reserve: BTreeMap<String, Weight>,
    /// Resources whose proportion on what is left free matters.
    pub balance: Vec<Balance>,
    /// What moves cost.
    pub moves: Moves,
}

impl Objective {
    /// The resources that it speaks of, which no node need have, with none of them.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (String, Amount)> {
        let pairs = self.balance.iter().flat_map(|balance| [&balance.resource, &balance.with]);
        let named = pairs.chain(self.soft_reserve.keys()).chain(&self.transient);
        named.map(|name| (name.clone(), Amount::Count(0)))
    }
}

/// A cost for each piece: `factor` / 2^`shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weight {
    /// The cost of 2^`shift` pieces.
    pub factor: u64,
    /// How often the product is halved; at most 62.
    pub shift: u32,
}

impl Weight {
    /// What so many pieces cost.
    pub(crate) fn of(self, pieces: i64) -> i64 {
        self.of_wide(pieces.into())
    }

    /// [`Self::of`], for more than fits 64 bits.
    pub(crate) fn of_wide(self, pieces: i128) -> i64 {
        let cost = pieces.saturating_mul(self.factor.into()) >> self.shift.min(62);
        // Half the range, so that the difference of two costs fits too.
        i64::try_from(cost).unwrap_or(i64::MAX).min(i64::MAX / 2)
    }
}

/// Costs `weight` for each piece by which `target` × (free of `resource`) exceeds `ratio` × (free of `with`) on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The resource that is worth little alone.
    pub resource: String,
    /// The resource that must go with it.
    pub with: String,
    /// See above.
    pub target: u64,
    /// See above.
    pub ratio: u64,
    /// See above.
    pub weight: Weight,
}

/// What it costs to move replicas that are somewhere already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moves {
    /// Times the `move_cost` of each replica that moves.
    pub replica: u64,
    /// Times the highest number of replicas of one service that move.
    pub service: u64,
    /// Times the distance of each move.
    pub node: u64,
    /// How far it is from one node to another.
    pub distance: Option<Arc<Distances>>,
}

/// How far it is from node to node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distances {
    nodes: BTreeMap<Name, usize>,
    /// From each node to each, row by row.
    ways: Vec<u32>,
}

impl Distances {
    /// The `ways` from each of `nodes` to each, row by row; `None` if there are not as many as that.
    pub fn new(nodes: impl IntoIterator<Item = Name>, ways: Vec<u32>) -> Option<Self> {
        let nodes: BTreeMap<Name, usize> = nodes.into_iter().zip(0..).collect();
        (nodes.len() * nodes.len() == ways.len()).then_some(Self { nodes, ways })
    }

    /// The ways from each of `nodes` to each, row by row; what is not known is no way at all.
    pub(crate) fn between(&self, nodes: &[&Name]) -> Box<[i64]> {
        let known: Vec<Option<usize>> = nodes.iter().map(|name| self.nodes.get(*name).copied()).collect();
        let way = |from: Option<usize>, to: Option<usize>| match (from, to) {
            (Some(from), Some(to)) => i64::from(self.ways[from * self.nodes.len() + to]),
            _ => 0,
        };
        known.iter().flat_map(|from| known.iter().map(move |to| way(*from, *to))).collect()
    }
}

impl Default for Moves {
    /// One point for each point of a replica's move cost.
    fn default() -> Self {
        Self { replica: 1_000_000_000, service: 0, node: 0, distance: None }
    }
}
