use std::collections::BTreeMap;

use icefield_spec::{Name, Quota};

use crate::{Assignment, Change, ChangeKind, Demand, Explanation, Host, Objective, Placement, ReplicaId, Solution};

mod branch;
mod column;
mod daemon;
mod explain;
mod group;
mod id;
mod id_map;
mod keep;
mod node;
mod obstacles;
mod place;
mod port_set;
mod queue;
mod report;
mod state;
mod tally;
mod world;

pub(crate) use column::{Column, Columns};
pub(crate) use group::Group;
pub(crate) use id::{DomainId, LabelId, NodeId, ReplicaNo, ServiceId};
use keep::Departures;
pub(crate) use node::Node;
pub(crate) use state::State;
pub(crate) use world::World;

/// Decides where replicas run.
///
/// A replica stays where it is as long as it breaks no hard rule there, even if another node would now be better.
/// What is nowhere goes to the node with the most points of those that every hard rule admits; among equals to the one
/// whose name comes first.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    hosts: BTreeMap<Name, Host>,
    services: BTreeMap<Name, Vec<Demand>>,
    current: Placement,
    quotas: BTreeMap<Name, Quota>,
    objective: Objective,
}

impl Engine {
    /// An engine that knows of no node and no service.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node, or replaces what is known of it.
    pub fn set_host(&mut self, host: Host) {
        self.hosts.insert(host.name.clone(), host);
    }

    /// Forgets a node: what is on it is nowhere.
    pub fn remove_host(&mut self, name: &Name) {
        self.hosts.remove(name);
    }

    /// Sets all that is wanted of a service; an empty `demands` is a service that is gone.
    ///
    /// Where two demands ask for the same index, the first one has it.
    pub fn set_service(&mut self, service: Name, demands: Vec<Demand>) {
        if demands.is_empty() {
            self.services.remove(&service);
        } else {
            self.services.insert(service, demands);
        }
    }

    /// Sets the most that a namespace's replicas may need together; without one there is no limit.
    pub fn set_quota(&mut self, namespace: Name, quota: Option<Quota>) {
        match quota {
            Some(quota) => self.quotas.insert(namespace, quota),
            None => self.quotas.remove(&namespace),
        };
    }

    /// Sets what makes a whole placement good.
    pub fn set_objective(&mut self, objective: Objective) {
        self.objective = objective;
    }

    /// Sets where `replica` is now: nowhere if there is no `assignment`.
    pub fn set_replica(&mut self, replica: ReplicaId, assignment: Option<Assignment>) {
        match assignment {
            Some(assignment) => self.current.insert(replica, assignment),
            None => self.current.remove(&replica),
        };
    }

    /// Takes `changes` for done.
    pub fn accept(&mut self, changes: &[Change]) {
        for change in changes {
            let to = match &change.kind {
                ChangeKind::Place { to } | ChangeKind::Move { to, .. } | ChangeKind::Replace { to } => Some(to.clone()),
                ChangeKind::Remove { .. } => None,
            };
            self.set_replica(change.replica.clone(), to);
        }
    }

    /// Sets where everything is now.
    pub fn set_placement(&mut self, placement: &Placement) {
        self.current = placement.clone();
    }

    /// What must change for every demand to be met as well as it can be.
    pub fn solve(&mut self) -> Solution {
        let world = World::new(&self.hosts, &self.services);
        let (state, departures) = self.decide(&world);
        report::report(&state, &self.current, &departures)
    }

    /// Why `replica` is where it is now, or would be after the solution; `None` if it is not wanted.
    pub fn explain(&mut self, replica: &ReplicaId) -> Option<Explanation> {
        let world = World::new(&self.hosts, &self.services);
        let wanted = world.replica_called(replica)?;
        let (mut state, _) = self.decide(&world);
        Some(explain::explain(&mut state, wanted))
    }

    /// [`Self::explain`] for every replica that is wanted of `service`, by index, without deciding anew for each.
    pub fn explain_service(&mut self, service: &Name) -> Vec<Explanation> {
        let world = World::new(&self.hosts, &self.services);
        let Some(wanted) = world.services.iter().find(|wanted| wanted.name == service) else { return Vec::new() };
        let (mut state, _) = self.decide(&world);
        wanted.replicas.clone().map(|at| explain::explain(&mut state, ReplicaNo::new(at))).collect()
    }

    fn decide<'w>(&self, world: &'w World<'w>) -> (State<'w>, Departures) {
        let mut state = State::new(world);
        let departures = keep::keep(&mut state, &self.current);
        place::place(&mut state);
        (state, departures)
    }
}
