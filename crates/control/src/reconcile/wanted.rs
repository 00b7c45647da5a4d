use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::{Engine, driver_of};
use icefield_spec::{Name, Service};

use super::host::{Joining, host};
use crate::State;
use crate::state::ServiceRecord;

/// Which replicas each service is to have now.
///
/// Most have as many as they declare. A daemon has one for each node that it belongs on, so it gets and loses replicas
/// with the nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    daemons: BTreeMap<Name, BTreeMap<u32, Name>>,
}

impl Wanted {
    /// As the state has it.
    pub(crate) fn new(state: &State) -> Self {
        let mut wanted = Self::default();
        let Some(spec) = state.spec.as_deref() else { return wanted };
        let daemons: Vec<_> = spec.services.iter().filter(|(_, service)| service.daemon).collect();
        if daemons.is_empty() {
            return wanted;
        }
        let mut engine = Engine::new();
        for host in spec.fleet().filter_map(|node| host(state, &node, Joining::Absent)) {
            engine.set_host(host);
        }
        for (name, service) in daemons {
            for (index, assignment) in state.placed.placement().service(name.as_str()) {
                engine.set_replica(icefield_placement::ReplicaId::new(name.clone(), index), Some(assignment.clone()));
            }
            wanted.set(name, nodes_of(&engine, state, name, service));
        }
        wanted
    }

    /// Notes the nodes of a daemon's replicas.
    pub(super) fn set(&mut self, name: &Name, nodes: BTreeMap<u32, Name>) {
        self.daemons.insert(name.clone(), nodes);
    }

    /// Forgets a service.
    pub(super) fn remove(&mut self, name: &Name) {
        self.daemons.remove(name);
    }

    /// The node of each replica of a daemon; `None` of any other service.
    pub(super) fn nodes(&self, name: &Name) -> Option<&BTreeMap<u32, Name>> {
        self.daemons.get(name)
    }

    /// The indexes of the replicas that `service` is to have as its own, rising.
    pub(crate) fn own(&self, name: &Name, service: &Service, record: &ServiceRecord) -> Vec<u32> {
        match (service.daemon, self.nodes(name)) {
            (true, Some(nodes)) => nodes.keys().copied().collect(),
            (true, None) => Vec::new(),
            (false, _) => record.own(service.replicas),
        }
    }

    /// The same, and of those beside them, rising.
    pub(crate) fn all(&self, name: &Name, service: &Service, record: &ServiceRecord) -> Vec<u32> {
        let mut all = self.own(name, service, record);
        if record.rollout.beside().next().is_some() {
            all.extend(record.rollout.beside());
            all.sort_unstable();
        }
        all
    }
}

/// On which node each replica of the daemon `name` belongs, by an engine that knows the nodes and where the daemon's
/// replicas are now.
///
/// A replica with volumes has the index again that it had before on its node: its folders are there.
pub(super) fn nodes_of(engine: &Engine, state: &State, name: &Name, service: &Service) -> BTreeMap<u32, Name> {
    let nodes = engine.daemon_ties(name, &service.rules, driver_of(&service.unit));
    let Some(tied) = state.ties.service(name.as_str()) else { return nodes };
    let before: BTreeMap<&Name, u32> = tied.iter().map(|(index, node)| (node, *index)).collect();
    let mut taken: BTreeSet<u32> = tied.keys().copied().collect();
    let (mut settled, mut further) = (BTreeMap::new(), Vec::new());
    for (index, node) in nodes {
        match before.get(&node) {
            Some(index) => drop(settled.insert(*index, node)),
            None if taken.insert(index) => drop(settled.insert(index, node)),
            None => further.push(node),
        }
    }
    let mut free = (0..).filter(|index| !taken.contains(index));
    settled.extend(further.into_iter().zip(&mut free).map(|(node, index)| (index, node)));
    settled
}

#[cfg(test)]
mod tests {
    use icefield_placement::ChangeKind;

    use super::*;
    use crate::Command;
    use crate::reconcile::solve;
    use crate::state::sample::{Sample, name, service, spec};

    const NODES: [&str; 3] = ["n1", "n2", "n3"];

    fn daemon(nodes: &[&str], volumes: bool) -> icefield_spec::Spec {
        let mut spec = spec(nodes, &[]);
        let mut log = Service { daemon: true, ..service("a", 0) };
        if volumes {
            log.unit.volumes.insert(name("data"), icefield_spec::Volume::default());
        }
        spec.services.insert(name("log"), log);
        spec
    }

    /// Which replica is on which node once placement has nothing to change.
    fn settle(sample: &mut Sample) -> String {
        let (changes, seen) = (solve(&sample.state, Joining::Absent).changes, sample.state.version);
        if !changes.is_empty() {
            assert!(changes.iter().all(|change| !matches!(change.kind, ChangeKind::Move { .. })), "{changes:?}");
            sample.done(Command::Place { at: 0, seen, changes });
        }
        let placed = sample.state.placed.placement().service("log");
        let placed: Vec<_> = placed.map(|(index, assignment)| format!("{index} on {}", assignment.node)).collect();
        let log = &sample.state.spec.as_ref().unwrap().services["log"];
        let record = &sample.state.services["log"];
        assert_eq!(Wanted::new(&sample.state).all(&name("log"), log, record).len(), placed.len());
        placed.join(", ")
    }

    fn lease(sample: &mut Sample, node: &str, lost: bool) {
        sample.done(Command::Lease { at: 0, node: name(node), lost, reason: String::new() });
    }

    #[test]
    fn a_daemon_has_a_replica_on_each_node_that_is_there() {
        let mut sample = Sample::with(&NODES, &daemon(&NODES[..2], false));
        assert_eq!(settle(&mut sample), "0 on n1, 1 on n2");
        sample.apply(&daemon(&NODES, false));
        assert_eq!(settle(&mut sample), "0 on n1, 1 on n2, 2 on n3");
        lease(&mut sample, "n1", true);
        assert_eq!(settle(&mut sample), "1 on n2, 2 on n3");
        lease(&mut sample, "n1", false);
        assert_eq!(settle(&mut sample), "0 on n1, 1 on n2, 2 on n3");
        sample.apply(&daemon(&NODES[1..], false));
        assert_eq!(settle(&mut sample), "1 on n2, 2 on n3");
    }

    #[test]
    fn a_daemon_with_volumes_has_the_same_replica_again_on_a_node_that_returns() {
        let mut sample = Sample::with(&NODES, &daemon(&NODES, true));
        assert_eq!(settle(&mut sample), "0 on n1, 1 on n2, 2 on n3");
        for node in ["n1", "n2"] {
            lease(&mut sample, node, true);
        }
        assert_eq!(settle(&mut sample), "2 on n3");
        lease(&mut sample, "n2", false);
        assert_eq!(settle(&mut sample), "1 on n2, 2 on n3");
        // What was on a node that is declared no more is nobody's.
        sample.register("n4", "10.0.0.4");
        sample.apply(&daemon(&["n2", "n3", "n4"], true));
        assert_eq!(settle(&mut sample), "0 on n4, 1 on n2, 2 on n3");
    }
}
