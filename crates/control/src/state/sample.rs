//! A small state that tests bring to where they need it.

use std::collections::BTreeMap;

use icefield_api::Capacity;
use icefield_placement::{Assignment, Change, ChangeKind, ReplicaId};
use icefield_spec::{Bytes, Cpu, Machine, Name, Node, Revision, Run, Service, Spec, Unit};

use super::{Applied, Command, Proposal, RolloutStep, State};

/// A state with the log index of its last command.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) state: State,
    index: u64,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn replica(text: &str) -> ReplicaId {
    text.parse().unwrap()
}

/// A unit that differs from others by its argument.
pub(crate) fn unit(version: &str) -> Unit {
    Unit::new(Run::Exec { command: vec!["serve".into(), version.into()] }, Cpu::from_millis(100), Bytes::new(1 << 20))
}

pub(crate) fn revision(version: &str) -> Revision {
    unit(version).revision()
}

pub(crate) fn machine() -> Machine {
    Machine::new(Cpu::from_millis(4_000), Bytes::new(1 << 30))
}

pub(crate) fn service(version: &str, replicas: u32) -> Service {
    Service::new(replicas, unit(version))
}

/// A spec of nodes and of services given by name, version and number of replicas.
pub(crate) fn spec(nodes: &[&str], services: &[(&str, &str, u32)]) -> Spec {
    let mut spec = Spec::empty(name("test"));
    spec.nodes = nodes.iter().map(|node| (name(node), Node { address: None, machine: machine() })).collect();
    let service = |(text, version, replicas): &(&str, &str, u32)| (name(text), service(version, *replicas));
    spec.services = services.iter().map(service).collect();
    spec
}

pub(crate) fn assignment(node: &str, version: &str) -> Assignment {
    Assignment { node: name(node), revision: revision(version), ports: BTreeMap::new() }
}

impl Sample {
    /// A state in which `nodes` have registered and `spec` is in force.
    pub(crate) fn with(nodes: &[&str], spec: &Spec) -> Self {
        let mut sample = Self::default();
        for node in nodes {
            sample.register(node, "10.0.0.1");
        }
        sample.apply(spec);
        sample
    }

    pub(crate) fn command(&mut self, command: impl Into<Proposal>) -> Applied {
        self.index += 1;
        self.state.apply(self.index, command)
    }

    /// Applies a command that must change something.
    pub(crate) fn done(&mut self, command: Command) {
        let applied = self.command(command);
        assert_eq!(applied, Applied::Done(self.index));
    }

    pub(crate) fn apply(&mut self, spec: &Spec) {
        self.done(Command::Apply { at: self.index, spec: Box::new(spec.clone()), expect: None });
    }

    pub(crate) fn register(&mut self, node: &str, address: &str) -> Applied {
        let capacity = Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(1 << 30), ports: None };
        let (api, drivers) = ("http://127.0.0.1:1".to_owned(), vec!["exec".to_owned()]);
        self.command(Command::Register {
            at: 0,
            node: name(node),
            address: address.into(),
            api,
            capacity,
            drivers,
            started: 1,
        })
    }

    /// Places a replica at its service's target revision.
    pub(crate) fn place(&mut self, text: &str, node: &str) {
        let replica = replica(text);
        let revision = self.state.services[&replica.service].target;
        let to = Assignment { node: name(node), revision, ports: BTreeMap::new() };
        self.change(Change { replica, kind: ChangeKind::Place { to }, reason: "new replica".into() });
    }

    pub(crate) fn remove(&mut self, text: &str) {
        let replica = replica(text);
        let from = self.state.placed.get(&replica).unwrap().node.clone();
        self.change(Change { replica, kind: ChangeKind::Remove { from }, reason: "wanted no more".into() });
    }

    fn change(&mut self, change: Change) {
        let seen = self.state.version;
        self.done(Command::Place { at: self.index, seen, changes: vec![change] });
    }

    /// Takes the rollout of "web" to `version` a step on.
    pub(crate) fn step(&mut self, version: &str, step: RolloutStep) {
        let to = revision(version);
        self.done(Command::Rollout { at: self.index, service: name("web"), to, seen: None, step });
    }

    pub(crate) fn generation(&self, node: &str) -> u64 {
        self.state.nodes[node].generation
    }

    pub(crate) fn last_message(&self) -> String {
        self.state.events.back().unwrap().message.clone()
    }
}
