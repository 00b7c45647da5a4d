/// A hard rule that a layout breaks, and by how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// The units above capacity, or how many replicas or domains are too many or too few.
    pub by: i64,
}

/// A hard rule of a problem, where it applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// No more is used or held on a node than it has.
    Capacity {
        /// The node.
        node: u32,
        /// What there is too little of.
        resource: u32,
    },
    /// A replica is on a node of those that its kind may be on.
    Allowed {
        /// The replica.
        replica: u32,
    },
    /// A node has something exclusive once.
    Exclusive {
        /// The node.
        node: u32,
        /// What is taken more than once.
        key: u32,
    },
    /// At most so many replicas of a service are in a domain.
    Limit {
        /// The service.
        service: u32,
        /// How the nodes are divided.
        label: u32,
    },
    /// At least so many domains have a replica of a service.
    MinDomains {
        /// The service.
        service: u32,
        /// How the nodes are divided.
        label: u32,
    },
    /// The numbers of a service's replicas in the domains differ by at most so much.
    Skew {
        /// The service.
        service: u32,
        /// How the nodes are divided.
        label: u32,
    },
    /// Each replica of a service has one of another in its domain.
    Near {
        /// The service.
        service: u32,
        /// The one that it needs.
        other: u32,
        /// How the nodes are divided.
        label: u32,
    },
    /// No replica of a service is in a domain of another.
    Apart {
        /// The service.
        service: u32,
        /// The one that it avoids.
        other: u32,
        /// How the nodes are divided.
        label: u32,
    },
}
