use std::sync::Arc;

use icefield_spec::Name;

use super::group::Group;
use super::id::{NodeId, ServiceId};
use super::side::Side;
use crate::Demand;

/// A service that is wanted, or that a rule of another one speaks of.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Name,
    /// What is wanted of it; nothing if it is not declared.
    pub(crate) demands: Vec<Arc<Demand>>,
    /// One for each demand.
    pub(crate) groups: Vec<Arc<Group>>,
    /// Its wanted replicas, by index.
    pub(crate) replicas: Vec<Replica>,
    /// Services that its rules speak of.
    pub(crate) strangers: Vec<ServiceId>,
    /// Services whose rules speak of it.
    pub(crate) followers: Vec<ServiceId>,
}

/// A replica that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) index: u32,
    /// Which of its service's groups it is of.
    pub(crate) group: u32,
    /// The node that it is on as far as the world outside knows.
    pub(crate) home: Option<NodeId>,
    pub(crate) spot: Option<Spot>,
    /// Its place in the list of those on its node.
    pub(super) slot: u32,
}

/// Where a replica is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) node: NodeId,
    /// Its ports, in the order of their names; 0 for one that it has not been given yet.
    pub(crate) ports: Box<[u16]>,
}

impl Service {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            demands: Vec::new(),
            groups: Vec::new(),
            replicas: Vec::new(),
            strangers: Vec::new(),
            followers: Vec::new(),
        }
    }

    /// Whether it is declared.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.demands.is_empty()
    }

    /// Whether some of its replicas are tied to nodes.
    pub(crate) fn is_tied(&self) -> bool {
        self.demands.iter().any(|demand| !demand.ties.is_empty())
    }

    /// How many replicas of a side are wanted.
    pub(crate) fn count(&self, side: Side) -> usize {
        match side {
            Side::All => self.replicas.len(),
            side => {
                self.demands.iter().filter(|demand| side.counts(demand.beside)).map(|demand| demand.indexes.len()).sum()
            }
        }
    }

    /// The position of the replica with this index.
    pub(crate) fn position(&self, index: u32) -> Option<usize> {
        let guess = index as usize;
        if self.replicas.get(guess).is_some_and(|replica| replica.index == index) {
            return Some(guess);
        }
        self.replicas.binary_search_by_key(&index, |replica| replica.index).ok()
    }

    pub(crate) fn replica(&self, index: u32) -> Option<&Replica> {
        self.position(index).map(|at| &self.replicas[at])
    }

    pub(crate) fn replica_mut(&mut self, index: u32) -> Option<&mut Replica> {
        self.position(index).map(|at| &mut self.replicas[at])
    }

    /// The replicas that `demands` want, by index. Where two want the same, the first one has it.
    pub(crate) fn wanted(demands: &[Arc<Demand>]) -> Vec<Replica> {
        let all = demands.iter().enumerate().flat_map(|(group, demand)| {
            let replica =
                move |index: &u32| Replica { index: *index, group: group as u32, home: None, spot: None, slot: 0 };
            demand.indexes.iter().map(replica)
        });
        let mut replicas: Vec<Replica> = all.collect();
        // A stable sort: among equals the first demand's comes first.
        if !replicas.is_sorted_by_key(|replica| replica.index) {
            replicas.sort_by_key(|replica| replica.index);
        }
        replicas.dedup_by_key(|replica| replica.index);
        replicas
    }
}
