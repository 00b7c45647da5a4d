use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_placement::{Acceptance, Change, Engine, Host, Solution};
use icefield_spec::{Name, PortRange, Spec};

use super::demands::Demands;
use super::fitting::fitting;
use super::host::{Joining, acceptance, host};
use super::job_demands::Opened;
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
    suspects: BTreeSet<Name>,
    services: BTreeMap<Name, Told>,
    jobs: BTreeMap<Name, Opened>,
    wanted: Wanted,
}

/// What of a node's record placement goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    acceptance: Acceptance,
    ports: Option<PortRange>,
    drivers: Vec<String>,
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
    fn of(record: &NodeRecord, suspect: bool) -> Self {
        let acceptance = match acceptance(record) {
            Acceptance::Ready if suspect => Acceptance::Suspect,
            acceptance => acceptance,
        };
        Self { acceptance, ports: record.capacity.ports, drivers: record.drivers.clone() }
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
    /// How the placement of `state` must change, if nothing new may go to `suspects`.
    pub(super) fn solve(&mut self, state: &State, suspects: &BTreeSet<Name>) -> Solution {
        self.suspects.clone_from(suspects);
        self.tell(state);
        self.engine.solve()
    }

    /// How the placement of `state`, which has been solved before, would change if `nodes` were left at once.
    pub(super) fn without(&mut self, state: &State, nodes: &[&Name]) -> Vec<Change> {
        let Some(spec) = state.spec.clone() else { return Vec::new() };
        let hosts: Vec<Host> = nodes
            .iter()
            .filter_map(|node| {
                let mut host = host(state, &spec.fleet_node(node.as_str())?, Joining::Absent)?;
                host.acceptance = self.hosts.get(*node)?.acceptance;
                Some(host)
            })
            .collect();
        for host in &hosts {
            self.engine.set_host(Host { acceptance: Acceptance::Draining, ..host.clone() });
        }
        let changes = self.engine.solve().changes;
        for host in hosts {
            self.engine.set_host(host);
        }
        changes
    }

    /// Which replicas there are to be, as of the last decision.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// See [`fitting`].
    pub(super) fn fitting(&mut self, state: &State, changes: &[Change]) -> Option<Vec<Change>> {
        fitting(&mut self.engine, state.placed.placement(), changes).ok()
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
            let suspect = self.suspects.contains(&node.name);
            let Some(facts) = state.nodes.get(&node.name).map(|record| Facts::of(record, suspect)) else { continue };
            let same = self.hosts.get(&node.name) == Some(&facts)
                && before.and_then(|before| before.fleet_node(node.name.as_str())).as_ref() == Some(&node);
            if !same && let Some(host) = host(state, &node, Joining::Absent) {
                self.engine.set_host(Host { acceptance: facts.acceptance, ..host });
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
            let facts = Facts::of(record, self.suspects.contains(name));
            if self.hosts.get(name) == Some(&facts) {
                continue;
            }
            let declared = self.spec.as_deref().and_then(|spec| spec.fleet_node(name.as_str()));
            if let Some(host) = declared.and_then(|node| host(state, &node, Joining::Absent)) {
                self.engine.set_host(Host { acceptance: facts.acceptance, ..host });
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

    /// Tells of every job whose demands may have changed; see [`Self::tell_services`].
    fn tell_jobs(&mut self, state: &State, before: Option<&Spec>, spec: &Spec, all: bool) {
        let gone: Vec<Name> = self.jobs.keys().filter(|name| !spec.jobs.contains_key(*name)).cloned().collect();
        for name in gone {
            // Its name may be a service's now, which is told of after this.
            self.engine.set_service(name.clone(), Vec::new());
            self.jobs.remove(&name);
        }
        for (name, job) in &spec.jobs {
            let Some(opened) = Opened::of(state, name) else { continue };
            let redeclared = before.is_some_and(|before| before.jobs.get(name) != Some(job));
            if all || redeclared || self.jobs.get(name) != Some(&opened) {
                self.engine.set_service(name.clone(), opened.demands(self.demands, state, name, job));
                self.jobs.insert(name.clone(), opened);
            }
        }
    }

    /// Tells of every service whose demands may have changed; `before` is the spec before, if there is a new one.
    fn tell_services(&mut self, state: &State, before: Option<&Spec>, spec: &Spec, rehosted: bool, moved: &Moved<'_>) {
        let demands = Demands::of(spec);
        let all = std::mem::replace(&mut self.demands, demands) != demands;
        self.tell_jobs(state, before, spec, all);
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

#[cfg(test)]
mod tests {
    use icefield_api::{NodeAction, RolloutAction};
    use icefield_spec::{Quota, Service, Volume};
    use proptest::prelude::*;

    use super::*;
    use crate::Command;
    use crate::reconcile::solve;
    use crate::state::RolloutStep;
    use crate::state::sample::{Sample, name, service, spec};

    /// Something that changes what placement is decided from.
    #[derive(Debug, Clone)]
    enum Happening {
        Apply { nodes: usize, web: (usize, u32), log: bool, db: u32, quota: Option<u32> },
        Register { node: usize, address: bool },
        Lease { node: usize, lost: bool },
        Node { node: usize, action: NodeAction },
        Advance { index: u32 },
        Add { index: u32, hidden: bool },
        Drop { index: u32 },
        Switch,
        Undo,
        Finish,
        Fail,
        Follow,
        Note,
    }

    const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];
    const VERSIONS: [&str; 3] = ["a", "b", "c"];

    fn happening() -> impl Strategy<Value = Happening> {
        use NodeAction::{Cordon, Drain, Uncordon};
        let (node, quota) = (0..NODES.len(), prop::option::of(0..4_u32));
        let action = prop::sample::select(vec![Cordon, Drain, Uncordon]);
        prop_oneof![
            3 => (0..=NODES.len(), (0..VERSIONS.len(), 0..6_u32), any::<bool>(), 0..3_u32, quota)
                .prop_map(|(nodes, web, log, db, quota)| Happening::Apply { nodes, web, log, db, quota }),
            2 => (node.clone(), any::<bool>()).prop_map(|(node, address)| Happening::Register { node, address }),
            2 => (node.clone(), any::<bool>()).prop_map(|(node, lost)| Happening::Lease { node, lost }),
            1 => (node, action).prop_map(|(node, action)| Happening::Node { node, action }),
            2 => (0..6_u32).prop_map(|index| Happening::Advance { index }),
            2 => (0..9_u32, any::<bool>()).prop_map(|(index, hidden)| Happening::Add { index, hidden }),
            1 => (0..9_u32).prop_map(|index| Happening::Drop { index }),
            1 => Just(Happening::Switch),
            1 => Just(Happening::Undo),
            1 => Just(Happening::Finish),
            1 => Just(Happening::Fail),
            6 => Just(Happening::Follow),
            1 => Just(Happening::Note),
        ]
    }

    fn declared(nodes: usize, web: (usize, u32), log: bool, db: u32, quota: Option<u32>) -> Spec {
        let mut spec = spec(&NODES[..nodes], &[("web", VERSIONS[web.0], web.1)]);
        let web = spec.services.get_mut("web").unwrap();
        web.namespace = Some(name("shop"));
        // Two fill a node, so that some often fit nowhere.
        web.unit.cpu = "2".parse().unwrap();
        web.update.max_surge = 2;
        web.rules.spread = vec![icefield_spec::Spread { max: Some(2), ..icefield_spec::Spread::over("node") }];
        if quota.is_some() {
            let (wait, keep) = (icefield_spec::Wait::Confirm, "1s".parse().unwrap());
            web.update.kind = icefield_spec::Strategy::BlueGreen { wait, keep };
        }
        if let Some(replicas) = quota {
            spec.namespaces.insert(name("shop"), Quota { replicas: Some(replicas), ..Quota::default() });
        }
        if log {
            spec.services.insert(name("log"), Service { daemon: true, ..service("a", 0) });
        }
        let mut store = service("a", db);
        store.unit.volumes.insert(name("data"), Volume::default());
        spec.services.insert(name("db"), store);
        spec
    }

    fn happen(sample: &mut Sample, happening: &Happening) {
        let target = sample.state.services.get("web").map(|record| record.target);
        let rollout = |step| Some(Command::Rollout { at: 1, service: name("web"), to: target?, seen: None, step });
        let command = match happening {
            Happening::Apply { nodes, web, log, db, quota } => {
                let spec = Box::new(declared(*nodes, *web, *log, *db, *quota));
                Some(Command::Apply { at: 1, spec, expect: None })
            }
            Happening::Register { node, address } => {
                sample.register(NODES[*node], if *address { "10.0.0.1" } else { "10.0.0.2" });
                None
            }
            Happening::Lease { node, lost } => {
                Some(Command::Lease { at: 1, node: name(NODES[*node]), lost: *lost, reason: String::new() })
            }
            Happening::Node { node, action } => {
                Some(Command::Node { at: 1, node: name(NODES[*node]), action: *action })
            }
            Happening::Advance { index } => rollout(RolloutStep::Advance { indexes: vec![*index] }),
            Happening::Add { index, hidden } => rollout(RolloutStep::Add { indexes: vec![*index], hidden: *hidden }),
            Happening::Drop { index } => rollout(RolloutStep::Drop { indexes: vec![*index] }),
            Happening::Switch => rollout(RolloutStep::Switch),
            Happening::Undo => Some(Command::Steer { at: 1, service: name("web"), action: RolloutAction::Undo }),
            Happening::Finish => rollout(RolloutStep::Finish),
            Happening::Fail => rollout(RolloutStep::Fail { reason: "it crashed".into() }),
            Happening::Follow => {
                let (seen, changes) = (sample.state.version, solve(&sample.state, Joining::Absent).changes);
                Some(Command::Place { at: 1, seen, changes })
            }
            Happening::Note => Some(Command::Note { at: 1, notes: Vec::new() }),
        };
        if let Some(command) = command {
            sample.command(command);
        }
    }

    #[test]
    fn what_a_rollout_finds_nowhere_starts_at_the_new_revision() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
        let (mut kept, node) = (Kept::default(), name("n1"));
        let mut happen = |sample: &mut Sample, command| {
            sample.done(command);
            let afresh = solve(&sample.state, Joining::Absent);
            assert_eq!(kept.solve(&sample.state, &BTreeSet::new()), afresh);
            let (seen, changes) = (sample.state.version, afresh.changes);
            if !changes.is_empty() {
                sample.done(Command::Place { at: 1, seen, changes });
                assert_eq!(kept.solve(&sample.state, &BTreeSet::new()), solve(&sample.state, Joining::Absent));
            }
        };
        let apply =
            |version| Command::Apply { at: 1, spec: Box::new(spec(&["n1"], &[("web", version, 1)])), expect: None };
        let lease = |lost| Command::Lease { at: 1, node: node.clone(), lost, reason: String::new() };
        for command in [lease(true), lease(false), apply("b"), lease(true), lease(false)] {
            happen(&mut sample, command);
        }
        let web = sample.state.placed.get(&"web/0".parse().unwrap()).unwrap();
        assert_eq!(web.revision, crate::state::sample::revision("b"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        /// Both when it is told of every single change and when it is told of several at once.
        #[test]
        fn decides_as_one_that_is_made_afresh(happenings in prop::collection::vec((happening(), any::<bool>()), 1..50)) {
            let (mut sample, mut each, mut some) = (Sample::default(), Kept::default(), Kept::default());
            for (happening, told) in &happenings {
                happen(&mut sample, happening);
                if sample.state.spec.is_none() {
                    continue;
                }
                let afresh = solve(&sample.state, Joining::Absent);
                prop_assert_eq!(&each.solve(&sample.state, &BTreeSet::new()), &afresh);
                if *told {
                    prop_assert_eq!(&some.solve(&sample.state, &BTreeSet::new()), &afresh);
                }
                prop_assert_eq!(each.wanted(), &Wanted::new(&sample.state));
            }
        }
    }
}
