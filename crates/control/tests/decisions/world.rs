//! A whole cluster as one value: the state, what its leader has seen, and the nodes as they really are.

use std::collections::{BTreeMap, BTreeSet};

use icefield_api::{RolloutAction, RolloutPhase, RolloutState, Status};
use icefield_control::observe::{Observations, is_removed, registration};
use icefield_control::reconcile::{Config, Reconciler, promise, reconcile};
use icefield_control::state::RolloutStep;
use icefield_control::view::{Group, endpoints, status};
use icefield_control::{Applied, Command, State};
use icefield_placement::{Change, ChangeKind, ReplicaId};
use icefield_spec::{Millis, Name, Revision, Spec};

use crate::agent::{Agent, Said};
use crate::declare::name;

/// How far one step of the model goes, in milliseconds.
const STEP: u64 = 50;
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) seen: Observations,
    pub(crate) agents: BTreeMap<Name, Agent>,
    pub(crate) now: u64,
    pub(crate) config: Config,
    /// The fewest replicas of "web" that were healthy at once since this was last set.
    pub(crate) fewest: usize,
    /// The fewest that discovery knew of, and the most that were placed, since then.
    pub(crate) fewest_known: usize,
    pub(crate) most_placed: usize,
    reconciler: Reconciler,
    index: u64,
}

impl World {
    /// A cluster of nodes `n1`, `n2`, … with a spec in force and all of it done.
    pub(crate) fn settled(spec: &Spec) -> Self {
        let mut world = Self::new(spec.node_count() as u32);
        world.apply(spec);
        world.until(30_000, |world| world.is_settled());
        world
    }

    /// A cluster of nodes that have nothing to do.
    pub(crate) fn new(nodes: u32) -> Self {
        let now = 1_000_000;
        Self {
            state: State::default(),
            seen: Observations::new(now),
            agents: (1..=nodes).map(|number| (name(&format!("n{number}")), Agent::new())).collect(),
            now,
            config: Config {
                heartbeat: Millis::new(200),
                heartbeats_per_second: 5_000,
                lease: Millis::new(1_000),
                longest_lease: Millis::new(4_000),
                stall: Millis::new(500),
                together: Millis::new(3_000),
                hold_for: Millis::new(8_000),
                hold_step: Millis::new(3_000),
                fence_margin: Millis::new(200),
            },
            fewest: usize::MAX,
            fewest_known: usize::MAX,
            most_placed: 0,
            reconciler: Reconciler::new(),
            index: 0,
        }
    }

    /// Another server comes to lead.
    pub(crate) fn change_leader(&mut self) {
        self.seen = Observations::new(self.now);
        self.reconciler = Reconciler::new();
    }

    /// The leader cannot run for so long, and then decides before it hears what was said meanwhile.
    pub(crate) fn stall(&mut self, millis: u64) {
        self.now += millis;
        self.reconcile();
    }

    pub(crate) fn apply(&mut self, spec: &Spec) -> Applied {
        self.propose(Command::Apply { at: self.now, spec: Box::new(spec.clone()), expect: None })
    }

    pub(crate) fn propose(&mut self, command: Command) -> Applied {
        self.index += 1;
        let numbers = self.generations();
        let applied = self.state.apply(self.index, command);
        for service in self.state.ties.services() {
            for (index, assignment) in self.state.placed.placement().service(service.as_str()) {
                let tie = self.state.ties.get(&ReplicaId::new(service.clone(), index));
                assert!(tie.is_none_or(|tie| *tie == assignment.node), "{service}/{index} is not where its data is");
            }
        }
        for (node, number) in numbers {
            assert!(self.state.nodes[&node].generation >= number, "the generation of {node} fell");
        }
        applied
    }

    fn generations(&self) -> BTreeMap<Name, u64> {
        self.state.nodes.iter().map(|(node, record)| (node.clone(), record.generation)).collect()
    }

    /// Lets the model run for so many milliseconds.
    pub(crate) fn run(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(STEP) {
            self.step();
        }
    }

    /// Lets the model run until `done`, for so many milliseconds at most; gives back how long it took.
    pub(crate) fn until(&mut self, millis: u64, done: impl Fn(&Self) -> bool) -> u64 {
        let start = self.now;
        while !done(self) {
            assert!(self.now - start < millis, "not done after {millis} ms: {:#?}", self.summary());
            self.step();
        }
        self.now - start
    }

    fn step(&mut self) {
        self.now += STEP;
        let mut commands = Vec::new();
        for (node, agent) in self.agents.iter_mut().filter(|(_, agent)| agent.powered) {
            agent.pass(self.now);
            let Some((sent, said)) = agent.speak(self.config.heartbeat.get(), self.now) else { continue };
            if is_removed(&self.state, node, agent.started) {
                continue;
            }
            let known = match said {
                Said::Alive(alive) => self.seen.alive(node, &alive, self.now),
                Said::All(heartbeat) => {
                    commands.extend(registration(&self.state, node, &heartbeat, self.now));
                    self.seen.heartbeat(node, *heartbeat, self.now);
                    true
                }
            };
            let fence = promise(&self.state, &mut self.seen, &self.config, node, self.now);
            agent.hear(sent, known, fence, self.state.node_plan(node), self.now);
        }
        for command in commands {
            self.propose(command);
        }
        self.reconcile();
        self.check_singletons();
        self.fewest = self.fewest.min(self.healthy("web"));
        self.fewest_known = self.fewest_known.min(self.known());
        self.most_placed = self.most_placed.max(self.placed());
    }

    /// What the leader's loop does.
    fn reconcile(&mut self) {
        for _ in 0..100 {
            let commands = self.reconciler.reconcile(&self.state, &mut self.seen, &self.config, self.now);
            let mut anew = reconcile(&self.state, &self.seen, &self.config, self.now);
            anew.extend(commands.iter().filter(|command| matches!(command, Command::Note { .. })).cloned());
            assert_eq!(commands, anew, "what a reconciler remembers changes nothing");
            if commands.is_empty() {
                return;
            }
            for command in commands {
                self.check_advance(&command);
                self.check_drain(&command);
                let applied = self.propose(command.clone());
                assert!(matches!(applied, Applied::Done(_)), "{command:?} was in vain: {applied:?}");
            }
        }
        panic!("the loop finds no end: {:#?}", self.summary());
    }

    /// No step takes down a replica that serves if then more than allowed do not serve.
    fn check_advance(&self, command: &Command) {
        let Command::Rollout { service, step: RolloutStep::Advance { indexes }, .. } = command else { return };
        let declared = &self.state.spec.as_ref().unwrap().services[service];
        let max_unavailable = declared.update.max_unavailable;
        let serving: BTreeSet<u32> =
            endpoints(&self.state, &self.seen, service).endpoints.iter().map(|endpoint| endpoint.index).collect();
        let taken = indexes.iter().filter(|index| serving.contains(index)).count();
        let left = serving.len() - taken;
        let wanted = match declared.daemon {
            true => self.state.placed.placement().service(service.as_str()).count(),
            false => declared.replicas as usize,
        };
        assert!(taken == 0 || left + max_unavailable as usize >= wanted, "{command:?} leaves {left} of {wanted}");
    }

    /// No replica that serves leaves a draining node if then more than allowed do not serve.
    fn check_drain(&self, command: &Command) {
        let Command::Place { changes, .. } = command else { return };
        let mut leaving: BTreeMap<&Name, usize> = BTreeMap::new();
        for Change { replica, kind, .. } in changes {
            let (ChangeKind::Move { from, .. } | ChangeKind::Remove { from }) = kind else { continue };
            let declared = self.state.spec.as_ref().and_then(|spec| spec.services.get(&replica.service));
            let bound = declared.is_none_or(|service| service.daemon) || self.state.ties.get(replica).is_some();
            let record = &self.state.nodes[from];
            if record.draining && !record.lost && self.state.declares(from.as_str()) && !bound && self.serves(replica) {
                *leaving.entry(&replica.service).or_default() += 1;
            }
        }
        for (service, leaving) in leaving {
            let declared = &self.state.spec.as_ref().unwrap().services[service];
            let max_unavailable = declared.update.max_unavailable;
            let serving = endpoints(&self.state, &self.seen, service).endpoints.len();
            let wanted = declared.replicas as usize;
            assert!(
                serving > wanted || serving - leaving + max_unavailable as usize >= wanted,
                "{command:?} leaves {} of {wanted}",
                serving - leaving
            );
        }
    }

    fn serves(&self, replica: &ReplicaId) -> bool {
        let serving = endpoints(&self.state, &self.seen, &replica.service).endpoints;
        serving.iter().any(|endpoint| endpoint.index == replica.index)
    }

    /// No singleton runs twice.
    fn check_singletons(&self) {
        let mut running: BTreeMap<&ReplicaId, &Name> = BTreeMap::new();
        let mut jobs: BTreeMap<&Name, &ReplicaId> = BTreeMap::new();
        for (node, agent) in &self.agents {
            for (replica, _) in agent.processes.iter().filter(|(_, process)| process.runs_once()) {
                if let Some(other) = jobs.insert(&replica.service, replica) {
                    panic!("{replica} and {other} run at once: {:#?}", self.summary());
                }
            }
            for (replica, _) in agent.processes.iter().filter(|(_, process)| process.fence.is_some()) {
                if let Some(other) = running.insert(replica, node) {
                    panic!("{replica} runs on {other} and on {node}: {:#?}", self.summary());
                }
            }
        }
    }

    /// How often the leader has decided the placement.
    pub(crate) fn decisions(&self) -> u64 {
        self.reconciler.decisions()
    }

    /// How many replicas of a service really run well, wherever they are.
    pub(crate) fn healthy(&self, service: &str) -> usize {
        let processes = self.agents.values().flat_map(|agent| &agent.processes);
        processes.filter(|(replica, process)| replica.service == *service && process.is_healthy()).count()
    }

    /// Forgets how few and how many replicas of "web" there were.
    pub(crate) fn count_anew(&mut self) {
        (self.fewest, self.fewest_known, self.most_placed) = (usize::MAX, usize::MAX, 0);
    }

    /// How many replicas of "web" discovery knows of.
    pub(crate) fn known(&self) -> usize {
        endpoints(&self.state, &self.seen, &name("web")).endpoints.len()
    }

    /// How many replicas of "web" are placed.
    pub(crate) fn placed(&self) -> usize {
        self.state.placed.placement().service("web").count()
    }

    /// The versions of the replicas of "web" that discovery knows of, each once.
    pub(crate) fn known_revisions(&self) -> BTreeSet<Revision> {
        let known = endpoints(&self.state, &self.seen, &name("web")).endpoints;
        let assignment = |index| self.state.placed.get(&ReplicaId::new(name("web"), index));
        known.iter().filter_map(|endpoint| Some(assignment(endpoint.index)?.revision)).collect()
    }

    /// Does with the rollout of "web" what a person asks.
    pub(crate) fn steer(&mut self, action: RolloutAction) -> Applied {
        self.propose(Command::Steer { at: self.now, service: name("web"), action })
    }

    pub(crate) fn phase(&self) -> RolloutPhase {
        self.state.services["web"].rollout.phase
    }

    pub(crate) fn rollout(&self) -> RolloutState {
        self.state.services["web"].rollout.state
    }

    pub(crate) fn is_rolled_back(&self) -> bool {
        self.rollout() == RolloutState::RolledBack
    }

    /// The revisions of the placed replicas of "web", each once.
    pub(crate) fn revisions(&self) -> BTreeSet<Revision> {
        self.state.placed.placement().service("web").map(|(_, assignment)| assignment.revision).collect()
    }

    pub(crate) fn node_of(&self, replica: &str) -> Option<Name> {
        let replica: ReplicaId = replica.parse().unwrap();
        self.state.placed.get(&replica).map(|assignment| assignment.node.clone())
    }

    /// The indexes that a service should have: of a daemon those that are placed, if that is one on each node that is
    /// ready and none on those that are lost or draining.
    fn wanted(&self, service: &Name) -> Option<Vec<u32>> {
        let spec = self.state.spec.as_ref()?;
        let declared = &spec.services[service];
        if !declared.daemon {
            return Some(self.state.services[service].own(declared.replicas));
        }
        let placed = || self.state.placed.placement().service(service.as_str());
        let as_it_should = self.state.nodes.iter().all(|(node, record)| {
            let here = placed().filter(|(_, assignment)| assignment.node == *node).count();
            match spec.fleet_node(node.as_str()) {
                Some(_) if record.lost || record.draining => here == 0,
                Some(_) if record.cordoned => here <= 1,
                Some(_) => here == 1,
                None => here == 0,
            }
        });
        as_it_should.then(|| placed().map(|(index, _)| index).collect())
    }

    /// Whether every declared replica runs well where it is placed and at its service's target, nothing else runs, and
    /// no rollout is under way.
    pub(crate) fn is_settled(&self) -> bool {
        let Some(spec) = &self.state.spec else { return false };
        let done = self.state.services.values().all(|record| !record.rollout.is_under_way());
        let mut wanted: BTreeMap<ReplicaId, Revision> = BTreeMap::new();
        for service in spec.services.keys() {
            let target = self.state.services[service].target;
            let Some(indexes) = self.wanted(service) else { return false };
            wanted.extend(indexes.into_iter().map(|index| (ReplicaId::new(service.clone(), index), target)));
        }
        let mut running = 0;
        let as_wanted = self.agents.iter().all(|(node, agent)| {
            running += agent.processes.len();
            agent.processes.iter().all(|(replica, process)| {
                let placed = self.state.placed.get(replica).is_some_and(|assignment| assignment.node == *node);
                let declared = spec.fleet_node(node.as_str()).is_some();
                placed && declared && process.is_healthy() && wanted.get(replica) == Some(&process.revision)
            })
        });
        done && as_wanted && running == wanted.len()
    }

    pub(crate) fn status(&self) -> Status {
        status(&self.state, &self.seen, Group { api: String::new(), leader: None, servers: Vec::new() })
    }

    /// What to show when a test fails.
    pub(crate) fn summary(&self) -> Vec<String> {
        let status = self.status();
        let services = status.services.iter().map(|service| {
            let rollout = service.rollout.as_ref().unwrap();
            format!("{} {:?} {} {:?}", service.name, rollout.state, rollout.message, service.replicas)
        });
        let events = self.state.events.iter().rev().take(20);
        let events = events.map(|event| format!("{} {}: {}", event.at, event.subject, event.message));
        services.chain(events).collect()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.state.events.iter().map(|event| format!("{}: {}", event.subject, event.message)).collect()
    }
}
