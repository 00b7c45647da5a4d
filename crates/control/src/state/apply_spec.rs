use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_api::{EventKind, HistoryEntry};
use icefield_spec::{Name, Spec};

use super::events::Telling;
use super::{Effect, ServiceRecord, State};
use crate::count::count;

/// How many past specs are told of.
const HISTORY: usize = 100;

impl State {
    pub(super) fn apply_spec(&mut self, index: u64, at: u64, spec: Box<Spec>) -> Result<Effect, String> {
        if self.spec.as_deref() == Some(&*spec) {
            return Ok(Effect::Nothing);
        }
        self.check_cluster(&spec)?;
        let before = self.spec.clone();
        let telling = self.take_up(index, at, Arc::from(spec));
        let changed = self.declared_anew(before.as_deref());
        self.refresh(&changed);
        self.tell_all(telling);
        Ok(Effect::Basis)
    }

    /// Refuses a spec of another cluster: most likely it is the wrong file.
    pub(crate) fn check_cluster(&self, spec: &Spec) -> Result<(), String> {
        match self.spec.as_ref().map(|known| &known.cluster) {
            Some(here) if *here != spec.cluster => Err(format!(
                "this is the cluster {here}, and the spec is of the cluster {}; is it the right file? A cluster keeps its name",
                spec.cluster
            )),
            _ => Ok(()),
        }
    }

    /// The nodes whose plans may have changed from `before` to the spec in force. That services changed is no reason:
    /// what a node has of them changes with the placement.
    fn declared_anew(&self, before: Option<&Spec>) -> Vec<Name> {
        let Some(spec) = self.spec.as_deref() else { return Vec::new() };
        let before = before.filter(|before| before.cluster == spec.cluster);
        let changed = |node: &&Name| {
            let before = before.map(|before| before.fleet_node(node.as_str()));
            before != Some(spec.fleet_node(node.as_str()))
        };
        self.nodes.keys().filter(changed).cloned().collect()
    }

    /// Puts a spec in force without making the nodes' plans anew; gives back what there is to tell.
    pub(crate) fn take_up(&mut self, index: u64, at: u64, spec: Arc<Spec>) -> Telling {
        let before = self.spec.replace(Arc::clone(&spec));
        let revision = spec.revision();
        let mut changed = changed_services(before.as_deref(), &spec);
        let more_changed = changed.len().saturating_sub(HistoryEntry::NAMED) as u64;
        changed.truncate(HistoryEntry::NAMED);
        self.history.push_back(HistoryEntry { version: index, revision, at, changed, more_changed });
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }

        let services = count(spec.services.len() as u64, "service");
        let nodes = count(spec.node_count(), "node");
        let mut telling = Telling::new(at);
        telling.tell(EventKind::Apply, || {
            ("spec".into(), format!("spec {} applied: {services}, {nodes}", revision.short()))
        });
        for (name, service) in &spec.services {
            let declared_before = before.as_ref().and_then(|before| before.services.get(name));
            let anew = declared_before != Some(service);
            let placed = self.placed.placement().service(name.as_str()).filter(|_| anew);
            let placed = placed.map(|(index, assignment)| (index, assignment.revision)).collect();
            let record = match self.services.get_mut(name) {
                None => {
                    let record = ServiceRecord { basis: index, ..ServiceRecord::first(name, service, at) };
                    telling.tell(EventKind::Rollout, || (format!("service {name}"), first(&record)));
                    self.services.insert(name.clone(), record);
                    continue;
                }
                Some(record) => record,
            };
            if anew {
                record.basis = index;
            }
            if record.declare(name, declared_before, service, &placed, at) {
                telling.tell(EventKind::Rollout, || (format!("service {name}"), started(record)));
            }
        }
        self.declare_bases(index, at, before.as_deref(), &mut telling);
        self.declare_jobs(at, before.as_deref());
        self.end_rebalance("another spec was put in force", &mut telling);
        let known: BTreeSet<Name> = self.services.keys().cloned().collect();
        self.forget_units(&known);
        self.tie_placed();
        let tied = self.ties.services().cloned().collect();
        self.release_ties(&tied, &mut telling);
        telling
    }
}

/// The services and jobs that differ, by name.
fn changed_services(before: Option<&Spec>, after: &Spec) -> Vec<Name> {
    let before_jobs = before.map(|before| &before.jobs);
    let before = before.map(|before| &before.services);
    let changed =
        after.services.iter().filter(|(name, service)| before.and_then(|before| before.get(*name)) != Some(service));
    let dropped = before.into_iter().flatten().filter(|(name, _)| !after.services.contains_key(*name));
    let mut names: BTreeSet<Name> = changed.chain(dropped).map(|(name, _)| name.clone()).collect();
    let none = BTreeMap::new();
    let jobs = (before_jobs.unwrap_or(&none), &after.jobs);
    let all = jobs.0.keys().chain(jobs.1.keys());
    names.extend(all.filter(|name| jobs.0.get(*name) != jobs.1.get(*name)).cloned());
    names.into_iter().collect()
}

fn first(record: &ServiceRecord) -> String {
    format!("first rollout started: revision {}", record.target.short())
}

fn started(record: &ServiceRecord) -> String {
    let to = record.rollout.to.short();
    match record.rollout.from {
        Some(from) => format!("rollout started: revision {} → {to}", from.short()),
        None => format!("rollout started again: revision {to}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use icefield_api::RolloutState;
    use icefield_placement::{Assignment, Change, ChangeKind};
    use icefield_spec::{Spec, Update};

    use crate::state::sample::{Sample, name, replica, revision, spec};
    use crate::state::{Applied, Command, RolloutStep};

    const NODES: [&str; 2] = ["n1", "n2"];

    fn web(version: &str, replicas: u32) -> Spec {
        spec(&NODES, &[("web", version, replicas)])
    }

    /// A cluster whose service has proved itself at revision "a".
    fn settled() -> Sample {
        let mut sample = Sample::with(&NODES, &web("a", 2));
        sample.place("web/0", "n1");
        sample.place("web/1", "n2");
        sample.step("a", RolloutStep::Finish);
        sample
    }

    #[test]
    fn the_same_spec_again_is_unchanged_since_its_apply() {
        let mut sample = settled();
        let version = sample.state.history.back().unwrap().version;
        assert!(version < sample.state.version);
        let again = Command::Apply { at: 9, spec: Box::new(web("a", 2)), expect: None };
        assert_eq!(sample.command(again), Applied::Unchanged(version));
    }

    #[test]
    fn tells_what_was_applied() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        let told: Vec<_> = sample.state.events.iter().rev().take(2).map(|event| event.message.clone()).collect();
        let short = |text: &str| revision(text).short();
        assert_eq!(told[0], format!("rollout started: revision {} → {}", short("a"), short("b")));
        assert_eq!(told[1], format!("spec {} applied: 1 service, 2 nodes", web("b", 2).revision().short()));
        assert_eq!(sample.state.history.len(), 2);
    }

    #[test]
    fn a_new_service_starts_all_its_replicas_at_once() {
        let sample = Sample::with(&NODES, &web("a", 2));
        let record = &sample.state.services["web"];
        assert_eq!(record.rollout.from, None);
        assert_eq!(record.wanted(1, None), revision("a"));
        assert_eq!(record.good, None);
    }

    #[test]
    fn what_was_beside_a_services_own_replicas_and_is_about_to_end_does_not_become_one() {
        let with_surge = |version: &str, replicas| {
            let mut spec = web(version, replicas);
            let update = &mut spec.services.get_mut("web").unwrap().update;
            *update = Update { max_unavailable: 0, max_surge: 1, ..update.clone() };
            spec
        };
        let mut sample = settled();
        sample.apply(&with_surge("b", 2));
        sample.step("b", RolloutStep::Add { indexes: vec![2], hidden: false });
        sample.place("web/2", "n1");
        sample.step("b", RolloutStep::Advance { indexes: vec![0, 1] });
        sample.step("b", RolloutStep::Finish);
        sample.apply(&with_surge("b", 3));
        assert_eq!(sample.state.services["web"].own(3), [0, 1, 3]);
    }

    #[test]
    fn what_was_to_be_replaced_and_was_not_yet_is_decided_anew() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        sample.step("b", RolloutStep::Advance { indexes: vec![0, 1] });
        let to = Assignment { node: name("n1"), revision: revision("b"), ports: BTreeMap::new() };
        let change = Change { replica: replica("web/0"), kind: ChangeKind::Replace { to }, reason: String::new() };
        sample.done(Command::Place { at: 9, seen: sample.state.version, changes: vec![change] });
        sample.apply(&web("b", 3));
        assert_eq!(sample.state.services["web"].rollout.advanced, BTreeSet::from([0, 2]));
    }

    #[test]
    fn a_rollout_keeps_what_runs_until_it_is_advanced() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        let record = &sample.state.services["web"];
        assert_eq!(record.wanted(0, Some(revision("a"))), revision("a"));
        assert_eq!(record.wanted(0, None), revision("b"), "what is nowhere starts as the new revision");
        assert_eq!(
            record.units.keys().copied().collect::<BTreeSet<_>>(),
            BTreeSet::from([revision("a"), revision("b")])
        );
        sample.step("b", RolloutStep::Advance { indexes: vec![0] });
        assert_eq!(sample.state.services["web"].wanted(0, Some(revision("a"))), revision("b"));
    }

    #[test]
    fn replicas_rules_and_updates_start_no_rollout() {
        let mut sample = settled();
        let mut next = web("a", 5);
        let service = next.services.get_mut("web").unwrap();
        service.update = Update { max_unavailable: 3, rollback: false, ..Update::default() };
        service.rules.layout = icefield_spec::Layout::Packed;
        sample.apply(&next);
        let record = &sample.state.services["web"];
        assert_eq!(record.rollout.state, RolloutState::Done);
        assert_eq!(record.wanted(4, None), revision("a"));
    }

    #[test]
    fn a_replica_that_is_new_during_a_rollout_starts_at_its_revision() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        sample.apply(&web("b", 4));
        let record = &sample.state.services["web"];
        assert_eq!(record.rollout.advanced, BTreeSet::from([2, 3]));
        sample.apply(&web("b", 3));
        assert_eq!(sample.state.services["web"].rollout.advanced, BTreeSet::from([2]));
    }

    #[test]
    fn another_spec_during_a_rollout_starts_one_from_the_good_revision() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        sample.step("b", RolloutStep::Advance { indexes: vec![0] });
        sample.apply(&web("c", 2));
        let rollout = &sample.state.services["web"].rollout;
        assert_eq!((rollout.from, rollout.to), (Some(revision("a")), revision("c")));
        assert!(rollout.advanced.is_empty());
    }

    #[test]
    fn the_spec_before_undoes_a_rollout() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        sample.apply(&web("a", 2));
        let record = &sample.state.services["web"];
        assert_eq!((record.rollout.from, record.rollout.to), (Some(revision("b")), revision("a")));
        assert_eq!(record.target, revision("a"));
        assert_eq!(record.units.len(), 1, "no replica ever had b");
    }

    #[test]
    fn a_revision_that_failed_is_tried_again_only_if_its_declaration_changes() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        sample.step("b", RolloutStep::Fail { reason: "it crashed".into() });
        sample.step("a", RolloutStep::Finish);
        assert_eq!(sample.state.services["web"].rollout.state, RolloutState::RolledBack);

        sample.apply(&spec(&NODES, &[("web", "b", 3), ("api", "a", 1)]));
        let record = &sample.state.services["web"];
        assert_eq!((record.rollout.state, record.target), (RolloutState::RolledBack, revision("a")));

        let mut longer = web("b", 3);
        longer.services.get_mut("web").unwrap().update.deadline = "5m".parse().unwrap();
        sample.apply(&longer);
        let record = &sample.state.services["web"];
        assert_eq!((record.rollout.state, record.target), (RolloutState::Progressing, revision("b")));
    }

    #[test]
    fn declaring_the_good_revision_after_a_rollback_makes_it_the_wanted_one() {
        let mut sample = settled();
        sample.apply(&web("b", 2));
        sample.step("b", RolloutStep::Fail { reason: "it crashed".into() });
        sample.apply(&web("a", 2));
        let record = &sample.state.services["web"];
        assert_eq!((record.rollout.state, record.rollout.to), (RolloutState::Progressing, revision("a")));
        sample.step("a", RolloutStep::Finish);
        sample.apply(&web("b", 2));
        assert_eq!(sample.state.services["web"].rollout.state, RolloutState::Progressing);
    }

    #[test]
    fn a_service_without_replicas_goes_with_its_declaration() {
        let mut sample = Sample::with(&NODES, &web("a", 2));
        sample.apply(&spec(&NODES, &[]));
        assert!(sample.state.services.is_empty());
    }

    #[test]
    fn of_two_first_specs_of_different_clusters_only_one_comes_in() {
        let mut sample = Sample::default();
        sample.apply(&web("a", 2));
        let other = Spec { cluster: crate::state::sample::name("other"), ..web("a", 2) };
        let before = sample.state.clone();
        match sample.command(Command::Apply { at: 9, spec: Box::new(other), expect: None }) {
            Applied::Refused(reason) => assert!(reason.starts_with("this is the cluster test"), "{reason}"),
            applied => panic!("{applied:?}"),
        }
        assert_eq!(sample.state, before);
    }

    #[test]
    fn remembers_which_services_each_spec_changed() {
        let mut sample = settled();
        sample.apply(&spec(&NODES, &[("web", "b", 2), ("api", "a", 1)]));
        sample.apply(&spec(&NODES, &[("web", "b", 2)]));
        let changed = |back: usize| sample.state.history.iter().rev().nth(back).unwrap().changed.clone();
        assert_eq!(changed(0), ["api"]);
        assert_eq!(changed(1), ["api", "web"]);
        assert_eq!(changed(2), ["web"]);
        let many: Vec<String> = (0..50).map(|number| format!("s{number}")).collect();
        let many: Vec<(&str, &str, u32)> = many.iter().map(|name| (name.as_str(), "a", 1)).collect();
        sample.apply(&spec(&NODES, &many));
        let last = sample.state.history.back().unwrap();
        assert_eq!((last.changed.len(), last.more_changed), (20, 31));
    }

    #[test]
    fn keeps_the_last_hundred_specs() {
        let mut sample = Sample::default();
        for replicas in 0..120 {
            sample.apply(&web("a", replicas));
        }
        assert_eq!(sample.state.history.len(), 100);
    }
}
