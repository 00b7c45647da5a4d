use std::collections::BTreeSet;

use icefield_api::EventKind;
use icefield_placement::{Assignment, Change, ChangeKind, ReplicaId};
use icefield_spec::Name;

use super::events::Telling;
use super::{Decision, Effect, State};

impl State {
    pub(super) fn place(&mut self, index: u64, at: u64, seen: u64, changes: Vec<Change>) -> Result<Effect, String> {
        self.check_basis(seen)?;
        self.check(&changes)?;
        if changes.is_empty() {
            return Ok(Effect::Nothing);
        }
        let mut nodes: BTreeSet<Name> = BTreeSet::new();
        let mut services: BTreeSet<Name> = BTreeSet::new();
        let mut telling = Telling::new(at);
        let mut lost = Vec::new();
        for change in changes {
            telling.tell(EventKind::Placement, || (change.replica.to_string(), sentence(&change)));
            services.insert(change.replica.service.clone());
            let Change { replica, kind, reason } = change;
            match kind {
                ChangeKind::Place { to } => {
                    nodes.insert(to.node.clone());
                    self.put(index, replica, to, Decision { reason, at });
                }
                ChangeKind::Move { from, to } => {
                    nodes.insert(from);
                    nodes.insert(to.node.clone());
                    self.put(index, replica, to, Decision { reason, at });
                }
                ChangeKind::Replace { to } => {
                    nodes.insert(to.node.clone());
                    // It stays on its node for the reason that it was put there.
                    let reason = self.placed.decision(&replica).map_or(reason, |before| before.reason.clone());
                    self.put(index, replica, to, Decision { reason, at });
                }
                ChangeKind::Remove { from } => {
                    self.hold_removed(&replica, &from);
                    nodes.insert(from);
                    self.placed.remove(index, &replica);
                    lost.push((replica, reason));
                }
            }
        }
        self.forget_units(&services);
        self.release_ties(&services, &mut telling);
        self.follow_rebalance(&mut telling);
        self.refresh(&nodes);
        self.tell_all(telling);
        for (replica, reason) in lost {
            self.lose_attempt(at, &replica, &reason);
        }
        Ok(Effect::Basis)
    }

    fn put(&mut self, index: u64, replica: ReplicaId, to: Assignment, decision: Decision) {
        self.tie(&replica, &to);
        self.hold(&replica, &to);
        self.note_attempt(&replica, &to);
        self.placed.put(index, replica, to, decision);
    }

    /// Refuses what was decided from a state that is not the present one.
    pub(super) fn check_basis(&self, seen: u64) -> Result<(), String> {
        if seen >= self.basis {
            return Ok(());
        }
        Err(format!(
            "the changes were made from version {seen}, and at version {} something changed that they depend on; make \
             them again",
            self.basis
        ))
    }

    /// Refuses changes that do not fit the state, so that those that follow can be made without asking again.
    pub(super) fn check(&self, changes: &[Change]) -> Result<(), String> {
        let mut seen: BTreeSet<&ReplicaId> = BTreeSet::new();
        for change in changes {
            let replica = &change.replica;
            if !seen.insert(replica) {
                return Err(format!("{replica} is changed twice"));
            }
            let current = self.placed.get(replica).map(|assignment| &assignment.node);
            match &change.kind {
                ChangeKind::Place { to } => match current {
                    Some(node) => return Err(format!("{replica} is to be placed, and is on {node} already")),
                    None => self.check_target(replica, to)?,
                },
                ChangeKind::Move { from, to } => {
                    self.check_source(replica, from, current)?;
                    self.check_target(replica, to)?;
                }
                ChangeKind::Replace { to } => {
                    self.check_source(replica, &to.node, current)?;
                    self.check_target(replica, to)?;
                }
                ChangeKind::Remove { from } => self.check_source(replica, from, current)?,
            }
        }
        Ok(())
    }

    fn check_source(&self, replica: &ReplicaId, from: &Name, current: Option<&Name>) -> Result<(), String> {
        match current {
            Some(node) if node == from => Ok(()),
            Some(node) => Err(format!("{replica} is on {node}, not on {from}")),
            None => Err(format!("{replica} is placed nowhere, not on {from}")),
        }
    }

    fn check_target(&self, replica: &ReplicaId, to: &Assignment) -> Result<(), String> {
        if !self.nodes.contains_key(&to.node) || !self.declares(to.node.as_str()) {
            return Err(format!("{replica} cannot be on {}: there is no such node", to.node));
        }
        if !self.declares_replica(replica) {
            return Err(format!("{replica} is not declared"));
        }
        if let Some(node) = self.tied_to(replica).filter(|node| **node != to.node) {
            return Err(format!("{replica} cannot be on {}: its volumes tie it to {node}", to.node));
        }
        if let Some(node) = self.holder_before(replica, to) {
            return Err(format!("{replica} cannot be on {}: {node} may still run it, and it is a singleton", to.node));
        }
        if self.unit(&replica.service, to.revision).is_none() {
            return Err(format!("{replica} has no revision {}", to.revision.short()));
        }
        Ok(())
    }

    /// Drops what no replica of `services` needs any more: units, and the whole record of a service that is gone.
    pub(super) fn forget_units(&mut self, services: &BTreeSet<Name>) {
        for name in services {
            let placed = self.placed.has_service(name.as_str());
            if !placed && !self.spec.as_ref().is_some_and(|spec| spec.services.contains_key(name)) {
                self.services.remove(name);
                continue;
            }
            let Some(record) = self.services.get_mut(name) else { continue };
            let kept: Vec<_> = record.kept().collect();
            if record.units.keys().all(|revision| kept.contains(revision)) {
                continue;
            }
            let placed = self.placed.placement().service(name.as_str()).map(|(_, assignment)| assignment.revision);
            let mut needed: BTreeSet<_> = placed.collect();
            needed.extend(kept);
            record.units.retain(|revision, _| needed.contains(revision));
        }
        self.forget_versions();
    }
}

fn sentence(change: &Change) -> String {
    let what = match &change.kind {
        ChangeKind::Place { to } => format!("placed on {}", to.node),
        ChangeKind::Move { from, to } => format!("moved from {from} to {}", to.node),
        ChangeKind::Replace { to } => format!("replaced on {}", to.node),
        ChangeKind::Remove { from } => format!("removed from {from}"),
    };
    if change.reason.is_empty() { what } else { format!("{what}: {}", change.reason) }
}

#[cfg(test)]
mod tests {
    use icefield_placement::{Change, ChangeKind};

    use crate::state::sample::{Sample, assignment, name, replica, revision, spec};
    use crate::state::{Applied, Command};

    fn sample() -> Sample {
        Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 2)]))
    }

    fn refused(sample: &mut Sample, seen: u64, kind: ChangeKind) -> String {
        let before = sample.state.clone();
        let change = Change { replica: replica("web/0"), kind, reason: "a reason".into() };
        let applied = sample.command(Command::Place { at: 9, seen, changes: vec![change] });
        assert_eq!(sample.state, before, "a refused command changes nothing");
        match applied {
            Applied::Refused(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tells_what_it_did_and_keeps_the_reason() {
        let mut sample = sample();
        sample.place("web/0", "n1");
        assert_eq!(sample.last_message(), "placed on n1: new replica");
        assert_eq!(sample.state.placed.decision(&replica("web/0")).unwrap().reason, "new replica");
        sample.remove("web/0");
        assert_eq!(sample.last_message(), "removed from n1: wanted no more");
        assert!(sample.state.placed.decision(&replica("web/0")).is_none());
    }

    #[test]
    fn is_refused_if_the_basis_has_changed_since_but_not_for_a_note() {
        let mut sample = sample();
        let seen = sample.state.version;
        sample
            .done(Command::Note { at: 1, notes: vec![(icefield_api::EventKind::Leader, "s".into(), "leads".into())] });
        let to = assignment("n1", "a");
        let change = Change { replica: replica("web/0"), kind: ChangeKind::Place { to }, reason: "new replica".into() };
        sample.done(Command::Place { at: 1, seen, changes: vec![change] });
        let reason = refused(&mut sample, seen, ChangeKind::Remove { from: name("n1") });
        assert!(reason.starts_with("the changes were made from version 3"), "{reason}");
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut sample = sample();
        let version = sample.state.version;
        let place = |node, text| ChangeKind::Place { to: assignment(node, text) };
        assert_eq!(refused(&mut sample, version, place("n9", "a")), "web/0 cannot be on n9: there is no such node");
        let reason = refused(&mut sample, version, place("n1", "b"));
        assert_eq!(reason, format!("web/0 has no revision {}", revision("b").short()));
        let reason = refused(&mut sample, version, ChangeKind::Remove { from: name("n1") });
        assert_eq!(reason, "web/0 is placed nowhere, not on n1");
        sample.place("web/0", "n1");
        let version = sample.state.version;
        let reason = refused(&mut sample, version, place("n2", "a"));
        assert_eq!(reason, "web/0 is to be placed, and is on n1 already");
        let to = assignment("n2", "a");
        let reason = refused(&mut sample, version, ChangeKind::Move { from: name("n2"), to: to.clone() });
        assert_eq!(reason, "web/0 is on n1, not on n2");
        assert_eq!(refused(&mut sample, version, ChangeKind::Replace { to }), "web/0 is on n1, not on n2");
    }

    #[test]
    fn refuses_a_replica_beyond_the_declared_and_one_changed_twice() {
        let mut sample = sample();
        let seen = sample.state.version;
        let place = |text: &str| {
            let kind = ChangeKind::Place { to: assignment("n1", "a") };
            Change { replica: replica(text), kind, reason: String::new() }
        };
        let beyond = Command::Place { at: 1, seen, changes: vec![place("web/2")] };
        assert_eq!(sample.command(beyond), Applied::Refused("web/2 is not declared".into()));
        let twice = Command::Place { at: 1, seen, changes: vec![place("web/1"), place("web/1")] };
        assert_eq!(sample.command(twice), Applied::Refused("web/1 is changed twice".into()));
        let none = Command::Place { at: 1, seen, changes: Vec::new() };
        assert_eq!(sample.command(none), Applied::Unchanged(seen));
    }

    #[test]
    fn the_record_of_a_service_goes_with_its_last_replica() {
        let mut sample = sample();
        sample.place("web/0", "n1");
        sample.apply(&spec(&["n1", "n2"], &[]));
        assert!(sample.state.services.contains_key("web"));
        sample.remove("web/0");
        assert!(!sample.state.services.contains_key("web"));
    }

    #[test]
    fn a_replaced_replica_keeps_the_reason_for_its_node() {
        let mut sample = sample();
        sample.place("web/0", "n1");
        sample.apply(&spec(&["n1", "n2"], &[("web", "b", 2)]));
        let seen = sample.state.version;
        let kind = ChangeKind::Replace { to: assignment("n1", "b") };
        let change = Change { replica: replica("web/0"), kind, reason: "revision a → b".into() };
        sample.done(Command::Place { at: 77, seen, changes: vec![change] });
        let decision = sample.state.placed.decision(&replica("web/0")).unwrap();
        assert_eq!((decision.reason.as_str(), decision.at), ("new replica", 77));
        assert_eq!(sample.last_message(), "replaced on n1: revision a → b");
    }
}
