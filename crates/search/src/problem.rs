use crate::BitSet;

/// The domain of a node that does not have the label.
pub const NO_DOMAIN: u32 = u32::MAX;

/// A placement problem in numbers. Everything is called by its index.
///
/// All sums must fit 64 bits: [`Problem::check`] refuses what does not.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// What nodes have and replicas need.
    pub resources: Vec<Resource>,
    /// Where replicas can be.
    pub nodes: Vec<Node>,
    /// Pairs of resources that are to stay free in proportion.
    pub balances: Vec<Balance>,
    /// Ways to divide the nodes into domains.
    pub labels: Vec<Label>,
    /// Replicas that are alike.
    pub kinds: Vec<Kind>,
    /// Replicas that rules bind together.
    pub services: Vec<Service>,
    /// What is to be placed.
    pub replicas: Vec<Replica>,
    /// What it costs to move.
    pub moves: Moves,
    /// What a node costs that is used in full by replicas with [`Kind::fill`] 1; earns, with −1.
    ///
    /// The share of a node is the greatest of use / capacity over the resources that fill it, in millionths, rounded
    /// down. A node costs `fill_scale` × its share × the sum over its replicas of fill × the share of that replica
    /// alone / 10^12, and of that its size, each rounded toward zero.
    pub fill_scale: i64,
}

/// Something that nodes have so much of.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Whether a replica that moved uses it on the node that it left, too.
    pub transient: bool,
    /// What each unit costs that is used above a node's comfort.
    pub load_weight: i64,
    /// Whether its use makes a node full; see [`Problem::fill_scale`].
    pub fills: bool,
}

/// A place for replicas.
#[derive(Debug, Clone)]
pub struct Node {
    /// How much it has of each resource: not to be exceeded.
    pub capacity: Box<[i64]>,
    /// How much of each can be used at no cost.
    pub comfort: Box<[i64]>,
    /// How large it is, in millionths of the largest: what its fullness costs is so much less.
    pub size: i64,
}

/// Costs `weight` × max(0, `target` × free(`of`) − free(`against`)) on every node.
#[derive(Debug, Clone)]
pub struct Balance {
    /// The resource whose free units want company.
    pub of: u32,
    /// The resource that should be free as well.
    pub against: u32,
    /// How many units of `against` should be free for each of `of`.
    pub target: i64,
    /// What each missing unit costs.
    pub weight: i64,
}

/// A way to divide the nodes into domains.
#[derive(Debug, Clone)]
pub struct Label {
    /// The domain of each node, or [`NO_DOMAIN`].
    pub domain_of: Vec<u32>,
    /// How many domains there are.
    pub domains: u32,
}

/// Replicas that are alike.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The service that they are of.
    pub service: u32,
    /// What each needs of each resource.
    pub need: Box<[i64]>,
    /// How bad it is to leave one unplaced: it comes before all cost.
    pub importance: i64,
    /// The nodes that they may be on; `None`: all.
    pub allowed: Option<BitSet>,
    /// Domains that they would rather be in.
    pub gains: Vec<Gain>,
    /// Things of which a node has one each, such as fixed ports.
    pub exclusive: Box<[u32]>,
    /// 1 to level the use of nodes, −1 to pack few of them, 0 if neither matters.
    pub fill: i64,
    /// What it costs to move one, times [`Moves::replica`].
    pub move_cost: i64,
}

impl Default for Kind {
    /// Needs nothing, may be anywhere, and is no less important than others.
    fn default() -> Self {
        Self {
            service: 0,
            need: Box::default(),
            importance: 1,
            allowed: None,
            gains: Vec::new(),
            exclusive: Box::default(),
            fill: 0,
            move_cost: 0,
        }
    }
}

/// A replica in this domain takes `points` off the cost.
#[derive(Debug, Clone)]
pub struct Gain {
    /// How the nodes are divided.
    pub label: u32,
    /// The domain.
    pub domain: u32,
    /// What is taken off; less than zero adds.
    pub points: i64,
}

/// Replicas that rules bind together.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// At most so many in a domain.
    pub limits: Vec<Limit>,
    /// At least so many domains.
    pub min_domains: Vec<MinDomains>,
    /// At most so different numbers in the domains.
    pub max_skew: Vec<Skew>,
    /// Rather equal numbers in the domains.
    pub even: Vec<Even>,
    /// Each replica needs at least one of the other service in its domain; of its own service: all are in one domain.
    pub near: Vec<Link>,
    /// No replica of the other service is in a domain of this one, nor the other way; of its own service: one a domain.
    pub apart: Vec<Link>,
}

/// At most `max` replicas of the service are in a domain, and none is on a node without the label.
#[derive(Debug, Clone)]
pub struct Limit {
    /// How the nodes are divided.
    pub label: u32,
    /// How many at most.
    pub max: u32,
}

/// At least `count` domains have a replica of the service; as many as there are replicas while only fewer are placed.
#[derive(Debug, Clone)]
pub struct MinDomains {
    /// How the nodes are divided.
    pub label: u32,
    /// How many at least.
    pub count: u32,
}

/// The numbers of replicas in the eligible domains differ by at most `skew`; none is on a node without the label.
#[derive(Debug, Clone)]
pub struct Skew {
    /// How the nodes are divided.
    pub label: u32,
    /// The greatest difference.
    pub skew: u32,
    /// The domains that count.
    pub domains: Box<[u32]>,
}

/// A domain with k replicas costs `step` × k (k − 1) / 2; a replica on a node without the label costs `step` × the
/// number of replicas that the service has.
#[derive(Debug, Clone)]
pub struct Even {
    /// How the nodes are divided.
    pub label: u32,
    /// How much.
    pub step: i64,
}

/// Another service, seen over the domains of a label.
#[derive(Debug, Clone)]
pub struct Link {
    /// The other service.
    pub service: u32,
    /// How the nodes are divided.
    pub label: u32,
}

/// One thing to place.
#[derive(Debug, Clone)]
pub struct Replica {
    /// What it is like.
    pub kind: u32,
    /// Where it is now.
    pub start: Option<u32>,
    /// Whether it may be elsewhere than the search finds it.
    pub movable: bool,
}

/// What it costs that replicas are placed elsewhere than they started.
#[derive(Debug, Clone, Default)]
pub struct Moves {
    /// For each moved replica, times [`Kind::move_cost`].
    pub replica: i64,
    /// Times the number of moved replicas of the service that has most of them.
    pub service: i64,
    /// For each moved replica, times the distance.
    pub node: i64,
    /// From each node to each, row by row.
    pub distance: Option<Box<[i64]>>,
}
