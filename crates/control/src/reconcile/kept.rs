use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_placement::{Acceptance, Engine, Solution};
use icefield_spec::{Name, PortRange, Spec};

use super::demands::Demands;
use super::host::{Joining, acceptance, host};
use super::objective::objective;
use super::wanted::{Wanted, nodes_of};
use crate::State;
use crate::state::{NodeRecord, ServiceRecord};

/// An engine that is kept from one decision to the next and told only what has changed.
///
/// It decides as one that is made afresh would.
#[derive(Debug, Default)]
pub(super) struct Kept {
    engine: Engine,
    /// The version of the state that it was last told of.
    version: Option<u64>,
    spec: Option<Arc<Spec>>,
    demands: Demands,
    hosts: BTreeMap<Name, Facts>,
    services: BTreeMap<Name, Told>,
    wanted: Wanted,
}

/// What of a node's record placement goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    acceptance: Acceptance,
    ports: Option<PortRange>,
}

/// What a service's demands were made from, besides its declaration and the placement.
#[derive(Debug)]
struct Told {
    record: ServiceRecord,
    ties: BTreeMap<u32, Name>,
}

/// Which services' replicas have changed places.
enum Moved<'a> {
    All,
    Some(BTreeSet<&'a Name>),
}

impl Facts {
    fn of(record: &NodeRecord) -> Self {
        Self { acceptance: acceptance(record), ports: record.capacity.ports }
    }
}

impl Moved<'_> {
    fn has(&self, service: &Name) -> bool {
        match self {
            Self::All => true,
            Self::Some(services) => services.contains(service),
        }
    }
}

impl Kept {
    /// How the placement of `state` must change.
    pub(super) fn solve(&mut self, state: &State) -> Solution {
        self.tell(state);
        self.engine.solve()
    }

    /// Which replicas there are to be, as of the last decision.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    fn tell(&mut self, state: &State) {
        let Some(spec) = state.spec.clone() else { return };
        let before = self.spec.replace(Arc::clone(&spec));
        // A spec that is put in force is a new value, so that one that is the same need not be compared.
        let respecified = !before.as_ref().is_some_and(|before| Arc::ptr_eq(before, &spec));
        let rehosted = if respecified {
            self.tell_policy(before.as_deref(), &spec);
            self.tell_fleet(state, before.as_deref(), &spec)
        } else {
            self.tell_nodes(state)
        };
        let moved = self.tell_placement(state);
        self.tell_services(state, before.as_deref().filter(|_| respecified), &spec, rehosted, &moved);
        self.version = Some(state.version);
    }

    fn tell_policy(&mut self, before: Option<&Spec>, spec: &Spec) {
        self.engine.set_objective(objective(spec));
        let gone = before.into_iter().flat_map(|before| before.namespaces.keys());
        for namespace in gone.filter(|namespace| !spec.namespaces.contains_key(*namespace)) {
            self.engine.set_quota(namespace.clone(), None);
        }
        for (namespace, quota) in &spec.namespaces {
            self.engine.set_quota(namespace.clone(), Some(quota.clone()));
        }
    }

    /// Tells of every node that another spec makes another one; whether there is any.
    fn tell_fleet(&mut self, state: &State, before: Option<&Spec>, spec: &Spec) -> bool {
        let mut changed = false;
        let gone: Vec<Name> =
            self.hosts.keys().filter(|node| spec.fleet_node(node.as_str()).is_none()).cloned().collect();
        for node in gone {
            self.engine.remove_host(&node);
            self.hosts.remove(&node);
            changed = true;
        }
        for node in spec.fleet() {
            let Some(facts) = state.nodes.get(&node.name).map(Facts::of) else { continue };
            let same = self.hosts.get(&node.name) == Some(&facts)
                && before.and_then(|before| before.fleet_node(node.name.as_str())).as_ref() == Some(&node);
            if !same && let Some(host) = host(state, &node, Joining::Absent) {
                self.engine.set_host(host);
                self.hosts.insert(node.name, facts);
                changed = true;
            }
        }
        changed
    }

    /// Tells of every node whose record has changed; whether there is any.
    fn tell_nodes(&mut self, state: &State) -> bool {
        let mut changed = false;
        for (name, record) in &state.nodes {
            let facts = Facts::of(record);
            if self.hosts.get(name) == Some(&facts) {
                continue;
            }
            let declared = self.spec.as_deref().and_then(|spec| spec.fleet_node(name.as_str()));
            if let Some(host) = declared.and_then(|node| host(state, &node, Joining::Absent)) {
                self.engine.set_host(host);
                self.hosts.insert(name.clone(), facts);
                changed = true;
            }
        }
        changed
    }

    fn tell_placement<'s>(&mut self, state: &'s State) -> Moved<'s> {
        let Some(changed) = self.version.and_then(|version| state.placed.changed_since(version)) else {
            self.engine.set_placement(state.placed.placement());
            return Moved::All;
        };
        let mut services = BTreeSet::new();
        for replica in changed {
            self.engine.set_replica(replica.clone(), state.placed.get(replica).cloned());
            services.insert(&replica.service);
        }
        Moved::Some(services)
    }

    /// Tells of every service whose demands may have changed; `before` is the spec before, if there is a new one.
    fn tell_services(&mut self, state: &State, before: Option<&Spec>, spec: &Spec, rehosted: bool, moved: &Moved<'_>) {
        let demands = Demands::of(spec);
        let all = std::mem::replace(&mut self.demands, demands) != demands;
        let gone: Vec<Name> = self.services.keys().filter(|name| !spec.services.contains_key(*name)).cloned().collect();
        for name in gone {
            self.engine.set_service(name.clone(), Vec::new());
            self.services.remove(&name);
            self.wanted.remove(&name);
        }
        for (name, service) in &spec.services {
            let Some(record) = state.services.get(name) else { continue };
            let redeclared = before.is_some_and(|before| before.services.get(name) != Some(service));
            let told = self.services.get(name);
            let fresh = all || redeclared || told.is_none_or(|told| told.record != *record);
            let ties = if !service.daemon {
                self.wanted.remove(name);
                state.ties.service(name.as_str()).cloned().unwrap_or_default()
            } else if fresh || rehosted || moved.has(name) {
                let nodes = nodes_of(&self.engine, state, name, service);
                self.wanted.set(name, nodes.clone());
                nodes
            } else {
                continue;
            };
            // Which revision a replica is to have depends on the one it has only while that is being changed.
            let rolling = !record.rollout.is_over() && moved.has(name);
            if fresh || rolling || told.is_none_or(|told| told.ties != ties) {
                let made = demands.make(state, &self.wanted, name, service, record);
                self.engine.set_service(name.clone(), made);
                self.services.insert(name.clone(), Told { record: record.clone(), ties });
            }
        }
    }
}
