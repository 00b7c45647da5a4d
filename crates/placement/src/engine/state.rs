use icefield_spec::Port;

use super::id::{NodeId, ReplicaNo, ServiceId};
use super::port_set::PortSet;
use super::tally::Tally;
use super::world::World;
use crate::Assignment;
use crate::rules::Resources;

/// Which replica is where, and what that leaves free: the engine's working copy.
pub(crate) struct State<'w> {
    pub(crate) world: &'w World<'w>,
    free: Vec<Resources>,
    ports: Vec<PortSet>,
    tallies: Vec<Tally>,
    spots: Vec<Option<Spot>>,
}

/// Where a replica is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) node: NodeId,
    /// Its ports, in the order of their names.
    pub(crate) ports: Box<[u16]>,
}

impl<'w> State<'w> {
    /// Nothing is anywhere.
    pub(crate) fn new(world: &'w World<'w>) -> Self {
        Self {
            world,
            free: world.nodes.iter().map(|node| node.capacity).collect(),
            ports: world.nodes.iter().map(|node| PortSet::new(node.host.ports)).collect(),
            tallies: world.services.iter().map(|service| Tally::new(service.labels.len())).collect(),
            spots: vec![None; world.replicas.len()],
        }
    }

    pub(crate) fn free(&self, node: NodeId) -> &Resources {
        &self.free[node.at()]
    }

    pub(crate) fn ports(&self, node: NodeId) -> &PortSet {
        &self.ports[node.at()]
    }

    pub(crate) fn tally(&self, service: ServiceId) -> &Tally {
        &self.tallies[service.at()]
    }

    pub(crate) fn spot(&self, replica: ReplicaNo) -> Option<&Spot> {
        self.spots[replica.at()].as_ref()
    }

    /// Puts `replica` on `node`, which must admit it. Of its ports, dynamic ones are those of `wishes` that are free
    /// (in the order of the ports' names), else the lowest free.
    pub(crate) fn put(&mut self, replica: ReplicaNo, node: NodeId, wishes: &[Option<u16>]) {
        let group = self.world.group_of(replica);
        for (free, need) in self.free[node.at()].iter_mut().zip(group.need) {
            *free -= need;
        }
        let set = &mut self.ports[node.at()];
        let mut granted: Box<[Option<u16>]> = vec![None; group.ports.len()].into();
        for (at, port) in group.ports.iter().enumerate() {
            granted[at] = match port {
                Port::Fixed(port) => Some(*port),
                Port::Dynamic => wishes.get(at).copied().flatten().filter(|wish| set.owner(*wish).is_none()),
            };
            if let Some(port) = granted[at] {
                set.take(port, replica);
            }
        }
        let lowest = |port: &Option<u16>| {
            let port = port.or_else(|| set.take_lowest(replica));
            port.expect("the rule for dynamic ports admits no node with too few of them")
        };
        let ports = granted.iter().map(lowest).collect();
        let service = self.world.service(group.service);
        self.tallies[group.service.at()].add(node, &service.labels, &self.world.columns);
        self.spots[replica.at()] = Some(Spot { node, ports });
    }

    /// Takes `replica` away from where it is.
    pub(crate) fn take_away(&mut self, replica: ReplicaNo) -> Option<Spot> {
        let spot = self.spots[replica.at()].take()?;
        let group = self.world.group_of(replica);
        for (free, need) in self.free[spot.node.at()].iter_mut().zip(group.need) {
            *free += need;
        }
        for port in &spot.ports {
            self.ports[spot.node.at()].release(*port);
        }
        let service = self.world.service(group.service);
        self.tallies[group.service.at()].subtract(spot.node, &service.labels, &self.world.columns);
        Some(spot)
    }

    /// What the world outside knows `spot` of `replica` as.
    pub(crate) fn assignment(&self, replica: ReplicaNo, spot: &Spot) -> Assignment {
        let demand = self.world.group_of(replica).demand;
        Assignment {
            node: self.world.name(spot.node).clone(),
            revision: demand.revision,
            ports: demand.ports.keys().cloned().zip(spot.ports.iter().copied()).collect(),
        }
    }
}
