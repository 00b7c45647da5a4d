use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_spec::{Amount, Name, Quota};

use crate::{Assignment, Change, ChangeKind, Demand, Explanation, Host, Objective, Placement, ReplicaId, Solution};

mod agenda;
mod backtrack;
mod branch;
mod change_log;
mod column;
mod compile;
mod daemon;
mod explain;
mod feed;
mod fit;
mod floor;
mod group;
mod id;
mod id_map;
mod improve;
mod ladder;
mod lower;
mod node;
mod obstacles;
mod place;
mod port_set;
mod preempt;
mod queue;
mod report;
mod resource;
mod service;
mod settle;
mod side;
mod state;
mod tally;
mod urgency;
mod used;
mod world;

pub(crate) use column::Column;
pub(crate) use group::Group;
pub(crate) use id::{DomainId, LabelId, NodeId, QuotaId, ReplicaKey, ResourceId, ServiceId};
pub use improve::{Cost, Effort, Improvement, Progress};
use resource::Resources;
use settle::Departures;
pub(crate) use side::Side;
pub(crate) use state::State;
pub(crate) use world::World;

/// How often room is looked for by moving what is placed.
const ROUNDS: usize = 4;

/// Decides where replicas run.
///
/// A replica stays where it is as long as it breaks no hard rule there, even if another node would now be better.
/// What is nowhere goes to the node with the most points of those that every hard rule admits; among equals to the one
/// whose name comes first.
///
/// What it is fed it keeps indexed, so that a small change costs little even if there is much. Its answers depend on what
/// it was fed, and neither on the order of that nor on the answers before.
#[derive(Debug, Default)]
pub struct Engine {
    hosts: BTreeMap<Name, Arc<Host>>,
    services: BTreeMap<Name, Vec<Arc<Demand>>>,
    current: Placement,
    quotas: BTreeMap<Name, Quota>,
    objective: Objective,
    /// Replicas that are somewhere and not wanted.
    unwanted: BTreeSet<ReplicaId>,
    /// All that in numbers; made when it is first needed, and again if the numbers would come to mean something else.
    state: Option<State>,
}

impl Engine {
    /// An engine that knows of no node and no service.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node, or replaces what is known of it.
    pub fn set_host(&mut self, host: Host) {
        let (name, host) = (host.name.clone(), Arc::new(host));
        if let Some(state) = &mut self.state {
            let resources = &state.world.resources;
            if resources.know(&host.resources) && resources.know(&host.reserve.resources) {
                state.set_host(&name, Some(Arc::clone(&host)), &self.current);
            } else {
                self.state = None;
            }
        }
        self.hosts.insert(name, host);
    }

    /// Forgets a node: what is on it is nowhere.
    pub fn remove_host(&mut self, name: &Name) {
        if self.hosts.remove(name).is_some()
            && let Some(state) = &mut self.state
        {
            state.set_host(name, None, &self.current);
        }
    }

    /// Sets all that is wanted of a service; an empty `demands` is a service that is gone.
    ///
    /// Where two demands ask for the same index, the first one has it.
    pub fn set_service(&mut self, service: Name, demands: Vec<Demand>) {
        let demands: Vec<Arc<Demand>> = demands.into_iter().map(Arc::new).collect();
        if let Some(state) = &mut self.state {
            if demands.iter().all(|demand| state.world.resources.know(&demand.resources)) {
                state.set_service(&service, demands.clone(), &self.current);
                self.unwanted.retain(|id| id.service != service);
                let replicas = state.world.service_called(&service).map(|id| state.world.service(id));
                let wanted = |index: u32| replicas.is_some_and(|known| known.replica(index).is_some());
                let left = self.current.service(service.as_str()).filter(|(index, _)| !wanted(*index));
                self.unwanted.extend(left.map(|(index, _)| ReplicaId::new(service.clone(), index)));
            } else {
                self.state = None;
            }
        }
        match demands.is_empty() {
            true => self.services.remove(&service),
            false => self.services.insert(service, demands),
        };
    }

    /// Sets the most that a namespace's replicas may need together; without one there is no limit.
    pub fn set_quota(&mut self, namespace: Name, quota: Option<Quota>) {
        let before = match quota.clone() {
            Some(quota) => self.quotas.insert(namespace, quota),
            None => self.quotas.remove(&namespace),
        };
        if before != quota {
            self.state = None;
        }
    }

    /// Sets what makes a whole placement good.
    pub fn set_objective(&mut self, objective: Objective) {
        if self.objective != objective {
            self.objective = objective;
            self.state = None;
        }
    }

    /// Sets where `replica` is now: nowhere if there is no `assignment`.
    pub fn set_replica(&mut self, replica: ReplicaId, assignment: Option<Assignment>) {
        let there = assignment.is_some();
        match assignment {
            Some(assignment) => self.current.insert(replica.clone(), assignment),
            None => self.current.remove(&replica),
        };
        let Some(state) = &mut self.state else { return };
        state.set_replica(&replica.service, replica.index, &self.current);
        if there && !state.is_wanted(&replica) {
            self.unwanted.insert(replica);
        } else {
            self.unwanted.remove(&replica);
        }
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
        self.state = None;
    }

    /// What must change for every demand to be met as well as it can be.
    pub fn solve(&mut self) -> Solution {
        self.decided(|state, current, unwanted, departures| report::report(state, current, unwanted, departures))
    }

    /// A better placement than [`Self::solve`] alone would come to, for as long as `effort` lets it look; `progress` is
    /// told of each that is better than those before. It may move what could stay, where that gains more than it costs.
    pub fn improve(&mut self, effort: &Effort<'_>, progress: &mut dyn FnMut(&Progress)) -> Improvement {
        self.decided(|state, current, unwanted, departures| {
            let gain = improve::improve(state, effort, departures, progress);
            let Solution { changes, unplaced } = report::report(state, current, unwanted, departures);
            Improvement { changes, unplaced, before: gain.before, after: gain.after, steps: gain.steps }
        })
    }

    /// Why `replica` is where it is now, or would be after the solution; `None` if it is not wanted.
    pub fn explain(&mut self, replica: &ReplicaId) -> Option<Explanation> {
        self.decided(|state, _, _, _| {
            let service = state.world.service_called(&replica.service)?;
            explain::explain(state, ReplicaKey { service, index: replica.index })
        })
    }

    /// [`Self::explain`] for every replica that is wanted of `service`, by index, without deciding anew for each.
    pub fn explain_service(&mut self, service: &Name) -> Vec<Explanation> {
        self.decided(|state, _, _, _| {
            let Some(service) = state.world.service_called(service) else { return Vec::new() };
            let indexes: Vec<u32> = state.world.service(service).replicas.iter().map(|replica| replica.index).collect();
            let keys = indexes.into_iter().map(|index| ReplicaKey { service, index });
            keys.filter_map(|key| explain::explain(state, key)).collect()
        })
    }

    /// What `look` sees in the state once everything is decided; afterwards the state is as it was.
    fn decided<T>(
        &mut self,
        look: impl FnOnce(&mut State, &Placement, &BTreeSet<ReplicaId>, &mut Departures) -> T,
    ) -> T {
        let mut state = self.state.take().unwrap_or_else(|| self.build());
        let mut departures = Departures::new();
        state.begin();
        settle::settle(&mut state, &self.current, &mut departures);
        place::place(&mut state, &mut departures);
        for _ in 0..ROUNDS {
            if !fit::fit(&mut state, &mut departures) {
                break;
            }
            // What was moved may have left room for more.
            place::place(&mut state, &mut departures);
        }
        let settled = departures.is_empty();
        let seen = look(&mut state, &self.current, &self.unwanted, &mut departures);
        state.take_back();
        if settled {
            // Nothing had to leave, so nothing breaks a rule.
            state.agenda.nodes.clear();
            // Some may have their company only by what was just taken back.
            let services = std::mem::take(&mut state.agenda.services);
            state.agenda.services = services.into_iter().filter(|service| state.has_abandoned(*service)).collect();
        }
        self.state = Some(state);
        seen
    }

    /// The state afresh, of all that is known.
    fn build(&mut self) -> State {
        let amounts = self.hosts.values().map(|host| &host.reserve.resources);
        let quotas = self.quotas.values().map(|quota| &quota.resources);
        let demands = self.services.values().flatten().map(|demand| &**demand);
        let objective: BTreeMap<String, Amount> = self.objective.resources().collect();
        let others = amounts.chain(quotas).chain([&objective]);
        let resources = Resources::new(self.hosts.values().map(|host| &**host), demands, others);
        let mut state = State::new(World::new(resources, self.objective.clone(), &self.quotas));
        for (name, host) in &self.hosts {
            state.set_host(name, Some(Arc::clone(host)), &self.current);
        }
        for (name, demands) in &self.services {
            state.set_service(name, demands.clone(), &self.current);
        }
        let left = self.current.iter().map(|(id, _)| id).filter(|id| !state.is_wanted(id));
        self.unwanted = left.collect();
        state
    }
}
