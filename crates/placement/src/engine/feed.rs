use std::sync::Arc;

use icefield_spec::{Name, Port};

use super::compile::compile;
use super::id::{NodeId, ReplicaKey};
use super::service::{Service, Spot};
use super::state::State;
use crate::{Assignment, Demand, Host, Placement};

/// What the world outside tells: each of these leaves the state as if it had been made afresh of all that was told.
impl State {
    /// What a node is now; `None` if it is gone.
    pub(crate) fn set_host(&mut self, name: &Name, host: Option<Arc<Host>>, current: &Placement) {
        let node = self.world.intern_node(name);
        self.grow();
        let present = host.is_some();
        // Whatever is there is taken off and put back, so that it is counted by what the node is now.
        let there: Vec<ReplicaKey> = self.on_node(node).to_vec();
        for key in &there {
            self.lift(*key);
        }
        let returns = self.world.node(node).host.is_none() && present;
        self.world.set_node(node, host);
        self.reset_node(node);
        self.agenda.nodes.insert(node);
        if returns {
            self.take_in(node, current);
            return;
        }
        for key in there {
            self.settle_in(key, current);
        }
    }

    /// Mirrors what stood on a node when that was not known.
    fn take_in(&mut self, node: NodeId, current: &Placement) {
        let waiting: Vec<ReplicaKey> = self.agenda.homeless.iter().copied().collect();
        for key in waiting {
            let home = self.world.service(key.service).replica(key.index).and_then(|replica| replica.home);
            if home == Some(node) {
                self.settle_in(key, current);
            }
        }
    }

    /// What is wanted of a service now; nothing if it is gone.
    pub(crate) fn set_service(&mut self, name: &Name, demands: Vec<Arc<Demand>>, current: &Placement) {
        let id = self.world.intern_service(name);
        self.grow();
        for index in self.world.service(id).replicas.iter().map(|replica| replica.index).collect::<Vec<_>>() {
            let key = ReplicaKey { service: id, index };
            self.lift(key);
            self.agenda.homeless.remove(&key);
            self.agenda.stale.remove(&key);
        }
        self.agenda.services.extend(&self.world.services[id.at()].followers);
        let service = &mut self.world.services[id.at()];
        service.replicas = Service::wanted(&demands);
        service.demands = demands;
        compile(self, id);
        for index in self.world.service(id).replicas.iter().map(|replica| replica.index).collect::<Vec<_>>() {
            self.settle_in(ReplicaKey { service: id, index }, current);
        }
        if self.world.service(id).groups.iter().any(|group| group.depends()) {
            self.agenda.services.insert(id);
        }
    }

    /// Where a replica is now, by `current`.
    pub(crate) fn set_replica(&mut self, service: &Name, index: u32, current: &Placement) {
        let Some(service) = self.world.service_called(service) else { return };
        let key = ReplicaKey { service, index };
        if self.world.service(service).replica(index).is_some() {
            self.lift(key);
            self.settle_in(key, current);
        }
    }

    /// Takes a replica off for good; those that are near it may have lost their company.
    fn lift(&mut self, key: ReplicaKey) {
        self.take_away(key);
        let Self { world, agenda, .. } = self;
        agenda.services.extend(&world.service(key.service).followers);
    }

    /// Shows a wanted replica where `current` has it.
    pub(super) fn settle_in(&mut self, key: ReplicaKey, current: &Placement) {
        self.agenda.homeless.remove(&key);
        self.agenda.stale.remove(&key);
        let assignment = current.at(&self.world.service(key.service).name, key.index);
        let home = assignment.map(|assignment| self.world.intern_node(&assignment.node));
        self.grow();
        if let Some(replica) = self.world.services[key.service.at()].replica_mut(key.index) {
            replica.home = home;
        }
        let (Some(assignment), Some(node)) = (assignment, home) else {
            self.agenda.homeless.insert(key);
            return;
        };
        let Some(group) = self.world.group_of(key).cloned() else { return };
        if self.world.node(node).host.is_none() || !self.can_count(&group, node) {
            self.agenda.homeless.insert(key);
            return;
        }
        if group.is_alone(self, node) {
            self.agenda.services.insert(key.service);
        }
        let tie = group.demand.ties.get(&key.index);
        if tie.is_some_and(|tie| *tie != assignment.node) || group.broken_by_staying(self, node).is_some() {
            self.agenda.nodes.insert(node);
            if group.breaks_across_nodes(self, node) {
                self.agenda.services.insert(key.service);
                self.agenda.services.extend(group.strangers.iter().copied());
            }
        }
        let ports = ports_kept(&group.demand, &group.fixed, self.ports(node).range(), assignment);
        let revised = assignment.revision != group.demand.revision;
        let whole = assignment.ports.len() == ports.len() && fits(&group.demand, &ports, assignment);
        if self.put_as_is(key, Spot { node, ports }) {
            self.agenda.clashes.insert(node);
            self.agenda.stale.insert(key);
        }
        if revised || !whole {
            self.agenda.stale.insert(key);
        }
    }
}

/// The ports of `assignment` that `demand` may keep, in the order of their names; 0 for others.
fn ports_kept(demand: &Demand, fixed: &[u16], range: icefield_spec::PortRange, assignment: &Assignment) -> Box<[u16]> {
    let mut kept: Vec<u16> = Vec::with_capacity(demand.ports.len());
    for (name, port) in &demand.ports {
        let current = assignment.ports.get(name).copied().unwrap_or(0);
        let keeps = match port {
            Port::Fixed(port) => *port == current,
            Port::Dynamic => range.contains(current) && !fixed.contains(&current),
        };
        kept.push(if keeps && !kept.contains(&current) { current } else { 0 });
    }
    kept.into()
}

/// Whether `ports` are all that `demand` wants, and those that `assignment` has.
fn fits(demand: &Demand, ports: &[u16], assignment: &Assignment) -> bool {
    let names = demand.ports.keys().zip(ports);
    names.into_iter().all(|(name, port)| *port != 0 && assignment.ports.get(name) == Some(port))
}
