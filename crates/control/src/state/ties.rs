use std::collections::{BTreeMap, BTreeSet};

use icefield_api::EventKind;
use icefield_placement::{Assignment, ReplicaId};
use icefield_spec::Name;
use serde::{Deserialize, Serialize};

use super::State;
use super::events::Telling;

/// The nodes that replicas are tied to by their volumes: each to the one it was first placed on.
///
/// A tie outlives the placement: a replica whose node is lost waits for it. It ends with its reason: the service or the
/// replica is declared no more, or has no volumes any more, or the node is declared no more. The attempts of a job share
/// its volumes, and one tie: that of index 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ties {
    services: BTreeMap<Name, BTreeMap<u32, Name>>,
}

impl Ties {
    /// The node that `replica` is tied to.
    pub fn get(&self, replica: &ReplicaId) -> Option<&Name> {
        self.services.get(&replica.service)?.get(&replica.index)
    }

    /// The ties of one service, by index; `None` if it has none.
    pub fn service(&self, name: &str) -> Option<&BTreeMap<u32, Name>> {
        self.services.get(name)
    }

    /// The services that have a tie.
    pub fn services(&self) -> impl Iterator<Item = &Name> {
        self.services.keys()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    fn tie(&mut self, replica: &ReplicaId, node: &Name) {
        let ties = self.services.entry(replica.service.clone()).or_default();
        ties.entry(replica.index).or_insert_with(|| node.clone());
    }

    fn release(&mut self, replica: &ReplicaId) {
        if let Some(ties) = self.services.get_mut(&replica.service) {
            ties.remove(&replica.index);
            if ties.is_empty() {
                self.services.remove(&replica.service);
            }
        }
    }
}

impl State {
    /// The node that `replica` is tied to.
    pub(crate) fn tied_to(&self, replica: &ReplicaId) -> Option<&Name> {
        self.ties.get(&self.tied_as(replica))
    }

    /// Whose tie holds `replica`: its own, or that of its job.
    fn tied_as(&self, replica: &ReplicaId) -> ReplicaId {
        let is_job = self.spec.as_ref().is_some_and(|spec| spec.jobs.contains_key(&replica.service));
        let index = if is_job { 0 } else { replica.index };
        ReplicaId::new(replica.service.clone(), index)
    }

    /// Ties a replica that is put somewhere to its node, if it has volumes and is not tied yet.
    pub(super) fn tie(&mut self, replica: &ReplicaId, to: &Assignment) {
        if !self.declares_replica(replica) || !self.declares(to.node.as_str()) {
            return;
        }
        if self.unit(&replica.service, to.revision).is_some_and(|planned| planned.unit.is_tied()) {
            self.ties.tie(&self.tied_as(replica), &to.node);
        }
    }

    /// Ties every declared replica that is somewhere already: it may have been declared no more for a while.
    pub(super) fn tie_placed(&mut self) {
        let has_volumes = |name: &&Name| {
            let mut units = self.services.get(*name).into_iter().flat_map(|record| record.units.values());
            units.any(|planned| planned.unit.is_tied())
        };
        let services: Vec<Name> = self.services.keys().filter(has_volumes).cloned().collect();
        for name in services {
            let placed = self.placed.placement().service(name.as_str());
            let placed: Vec<_> = placed.map(|(index, assignment)| (index, assignment.clone())).collect();
            for (index, assignment) in placed {
                self.tie(&ReplicaId::new(name.clone(), index), &assignment);
            }
        }
    }

    /// Ends the ties of `services` that have lost their reason.
    pub(super) fn release_ties(&mut self, services: &BTreeSet<Name>, telling: &mut Telling) {
        for name in services {
            let Some(ties) = self.ties.service(name.as_str()) else { continue };
            let over: Vec<(ReplicaId, Name, String)> = ties
                .iter()
                .filter_map(|(index, node)| {
                    let replica = ReplicaId::new(name.clone(), *index);
                    let reason = self.release(&replica, node)?;
                    Some((replica, node.clone(), reason))
                })
                .collect();
            for (replica, node, reason) in over {
                self.ties.release(&replica);
                telling.tell(EventKind::Placement, || {
                    (replica.to_string(), format!("its volumes tie it to {node} no longer: {reason}"))
                });
            }
        }
    }

    /// Ends every tie to `node`, because that is not to come back.
    pub(super) fn release_ties_to(&mut self, node: &Name, telling: &mut Telling) {
        let services = self.ties.services.iter();
        let tied = services.flat_map(|(service, ties)| ties.iter().map(move |(index, tied)| (service, *index, tied)));
        let over: Vec<ReplicaId> = tied
            .filter(|(_, _, tied)| *tied == node)
            .map(|(service, index, _)| ReplicaId::new(service.clone(), index))
            .collect();
        for replica in over {
            self.ties.release(&replica);
            telling.tell(EventKind::Placement, || {
                let message = format!("its volumes are given up: they were on {node}, which was removed");
                (replica.to_string(), message)
            });
        }
    }

    /// Why the tie of `replica` to `node` is to end, if it is.
    fn release(&self, replica: &ReplicaId, node: &Name) -> Option<String> {
        let spec = self.spec.as_deref()?;
        if let Some(job) = spec.jobs.get(&replica.service) {
            return match self.declares(node.as_str()) {
                _ if !job.unit.is_tied() => Some("the job has no volumes any more".into()),
                true => None,
                false => Some(format!("{node} is declared no more")),
            };
        }
        let Some(service) = spec.services.get(&replica.service) else {
            return Some("the service is gone".into());
        };
        if !self.declares(node.as_str()) {
            return Some(format!("{node} is declared no more"));
        }
        if !self.declares_replica(replica) {
            return Some(format!("scaled down to {}", service.replicas));
        }
        // A rollout may still go back to a unit that has them; one that is done and is merely kept for an undo ties no more.
        let units = self
            .services
            .get(&replica.service)
            .into_iter()
            .flat_map(|record| record.units.iter().filter(|(revision, _)| !record.is_past(revision)));
        let has_volumes = service.unit.is_tied() || units.into_iter().any(|(_, planned)| planned.unit.is_tied());
        (!has_volumes).then(|| "the service has no volumes any more".into())
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::RunCause;
    use icefield_placement::{Assignment, Change, ChangeKind};
    use icefield_spec::{Job, Spec, Volume};

    use crate::state::sample::{Sample, assignment, name, replica, spec, unit};
    use crate::state::{Applied, Command, JobStep, RolloutStep, State};

    const NODES: [&str; 2] = ["n1", "n2"];

    /// Two databases with a volume each.
    fn databases(nodes: &[&str], version: &str, replicas: u32) -> Spec {
        let mut spec = spec(nodes, &[("web", version, replicas)]);
        spec.services.get_mut("web").unwrap().unit.volumes.insert(name("data"), Volume::default());
        spec
    }

    fn placed() -> Sample {
        let mut sample = Sample::with(&NODES, &databases(&NODES, "a", 2));
        sample.place("web/0", "n1");
        sample.place("web/1", "n2");
        sample
    }

    fn ties(sample: &Sample) -> Vec<String> {
        let ties = sample.state.ties.service("web").into_iter().flatten();
        ties.map(|(index, node)| format!("{index} to {node}")).collect()
    }

    #[test]
    fn a_replica_with_volumes_is_tied_to_the_node_it_is_first_on() {
        let mut sample = placed();
        assert_eq!(ties(&sample), ["0 to n1", "1 to n2"]);
        sample.done(Command::Lease { at: 1, node: name("n1"), lost: true, reason: String::new() });
        sample.remove("web/0");
        assert_eq!(ties(&sample), ["0 to n1", "1 to n2"], "also while it is nowhere");
        let revision = sample.state.services["web"].target;
        let to = icefield_placement::Assignment { revision, ..assignment("n2", "a") };
        let change = Change { replica: replica("web/0"), kind: ChangeKind::Place { to }, reason: "why not".into() };
        let place = Command::Place { at: 1, seen: sample.state.version, changes: vec![change] };
        let reason = "web/0 cannot be on n2: its volumes tie it to n1";
        assert_eq!(sample.command(place), Applied::Refused(reason.into()));
        let text = serde_json::to_string(&sample.state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap().ties, sample.state.ties);
    }

    #[test]
    fn a_tie_ends_with_what_it_is_for() {
        let mut sample = placed();
        sample.apply(&databases(&NODES, "a", 1));
        assert_eq!(ties(&sample), ["0 to n1"]);
        assert_eq!(sample.last_message(), "its volumes tie it to n2 no longer: scaled down to 1");
        sample.apply(&databases(&NODES, "a", 2));
        assert_eq!(ties(&sample), ["0 to n1", "1 to n2"], "it is still there");
        sample.apply(&databases(&NODES[1..], "a", 2));
        assert_eq!(ties(&sample), ["1 to n2"]);
        assert_eq!(sample.last_message(), "its volumes tie it to n1 no longer: n1 is declared no more");
        sample.apply(&spec(&NODES, &[]));
        assert!(sample.state.ties.is_empty());
        assert_eq!(sample.last_message(), "its volumes tie it to n2 no longer: the service is gone");
    }

    #[test]
    fn the_attempts_of_a_job_share_its_volumes_and_so_its_node() {
        let mut declared = spec(&NODES, &[]);
        let mut unit = unit("a");
        unit.volumes.insert(name("data"), Volume::default());
        declared.jobs.insert(name("move"), Job::new(unit));
        let mut sample = Sample::with(&NODES, &declared);
        let revision = sample.state.jobs["move"].revision;
        let step = |step| Command::Job { at: 5, job: name("move"), step };
        let put = |sample: &mut Sample, attempt: &str, node: &str| {
            let to = Assignment { node: name(node), revision, ports: Default::default() };
            let change = Change { replica: replica(attempt), kind: ChangeKind::Place { to }, reason: "new".into() };
            sample.command(Command::Place { at: 5, seen: sample.state.version, changes: vec![change] })
        };
        sample.done(step(JobStep::Start { cause: RunCause::Declared, revision, next: None }));
        sample.done(step(JobStep::Attempt { run: 1 }));
        assert!(matches!(put(&mut sample, "move/0", "n1"), Applied::Done(_)));
        let (exit_code, took, message) = (Some(1), None, None);
        sample.done(step(JobStep::Ended { index: 0, succeeded: false, exit_code, took, message }));
        sample.done(step(JobStep::Attempt { run: 1 }));
        let reason = "move/1 cannot be on n2: its volumes tie it to n1";
        assert_eq!(put(&mut sample, "move/1", "n2"), Applied::Refused(reason.into()));
        assert_eq!(sample.state.tied_to(&replica("move/1")), Some(&name("n1")));
        assert!(matches!(put(&mut sample, "move/1", "n1"), Applied::Done(_)));
        sample.apply(&spec(&NODES, &[]));
        assert!(sample.state.ties.is_empty());
    }

    #[test]
    fn a_rollout_may_still_go_back_to_volumes() {
        let mut sample = placed();
        let with_volumes = sample.state.services["web"].target;
        sample.done(Command::Rollout {
            at: 1,
            service: name("web"),
            to: with_volumes,
            seen: None,
            step: RolloutStep::Finish,
        });
        sample.apply(&spec(&NODES, &[("web", "b", 2)]));
        assert_eq!(ties(&sample).len(), 2);
        for (index, node) in [(0, "n1"), (1, "n2")] {
            let kind = ChangeKind::Replace { to: assignment(node, "b") };
            let change = Change { replica: replica(&format!("web/{index}")), kind, reason: "revision".into() };
            let seen = sample.state.version;
            sample.done(Command::Place { at: 1, seen, changes: vec![change] });
        }
        assert_eq!(ties(&sample).len(), 2);
        sample.step("b", RolloutStep::Finish);
        assert!(sample.state.ties.is_empty());
        assert_eq!(sample.last_message(), "its volumes tie it to n2 no longer: the service has no volumes any more");
    }
}
