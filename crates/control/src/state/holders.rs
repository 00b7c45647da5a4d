use std::collections::BTreeMap;

use icefield_api::EventKind;
use icefield_placement::{Assignment, ReplicaId};
use icefield_spec::{Name, Revision};
use serde::{Deserialize, Serialize};

use super::{Effect, State};

/// The nodes that singletons may be running on: each on the one it was last placed on.
///
/// A singleton has its holder as long as that may run it, also when it is placed there no more. No other node can get it
/// meanwhile; so it is never on two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holders(BTreeMap<ReplicaId, Name>);

impl Holders {
    /// The node that may be running `replica`.
    pub fn get(&self, replica: &ReplicaId) -> Option<&Name> {
        self.0.get(replica)
    }

    /// Those of one service or job.
    pub fn of_service(&self, name: &Name) -> impl Iterator<Item = (&ReplicaId, &Name)> {
        self.0.range(ReplicaId::new(name.clone(), 0)..=ReplicaId::new(name.clone(), u32::MAX))
    }

    /// `replica` surely runs nowhere.
    pub(super) fn forget(&mut self, replica: &ReplicaId) {
        self.0.remove(replica);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&ReplicaId, &Name)> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl State {
    /// Whether `replica` is to be a singleton, or is one.
    pub fn is_singleton(&self, replica: &ReplicaId) -> bool {
        let is = |revision: Revision| self.is_singletons_revision(&replica.service, revision);
        let record = self.services.get(&replica.service);
        self.holders.get(replica).is_some()
            || record.is_some_and(|record| is(record.target))
            || self.placed.get(replica).is_some_and(|assignment| is(assignment.revision))
    }

    /// Whether `node` is to run singletons.
    pub(crate) fn has_singletons(&self, node: &str) -> bool {
        // Where there are none at all, as in most clusters, each heartbeat of each node is spared the look.
        if self.holders.is_empty() {
            return false;
        }
        let mut placed = self.placed.on_node(node);
        placed.any(|(replica, assignment)| self.is_singletons_revision(&replica.service, assignment.revision))
    }

    fn is_singletons_revision(&self, service: &Name, revision: Revision) -> bool {
        self.unit(service, revision).is_some_and(|planned| planned.unit.is_singleton())
    }

    /// The node that must give `replica` up before it can be where `to` says.
    pub(super) fn holder_before(&self, replica: &ReplicaId, to: &Assignment) -> Option<&Name> {
        let holder = self.holders.get(replica).or_else(|| {
            let becomes = self.is_singletons_revision(&replica.service, to.revision);
            self.placed.get(replica).filter(|_| becomes).map(|assignment| &assignment.node)
        });
        holder.filter(|node| **node != to.node)
    }

    /// Takes note that a replica is put somewhere.
    pub(super) fn hold(&mut self, replica: &ReplicaId, to: &Assignment) {
        if self.is_singletons_revision(&replica.service, to.revision) {
            self.holders.0.insert(replica.clone(), to.node.clone());
        }
    }

    /// Takes note that a replica is taken from a node, which may run it for a while yet.
    pub(super) fn hold_removed(&mut self, replica: &ReplicaId, from: &Name) {
        if self.is_singleton(replica) {
            self.holders.0.insert(replica.clone(), from.clone());
        }
    }

    pub(super) fn release_holder(
        &mut self,
        at: u64,
        replica: &ReplicaId,
        node: &Name,
        reason: &str,
    ) -> Result<Effect, String> {
        if self.holders.get(replica) != Some(node) {
            return Ok(Effect::Nothing);
        }
        if self.placed.get(replica).is_some_and(|assignment| assignment.node == *node) {
            return Err(format!("{replica} is placed on {node}, so that is to run it"));
        }
        self.holders.0.remove(replica);
        self.tell(at, EventKind::Placement, replica.to_string(), format!("given up by {node}: {reason}"));
        Ok(Effect::Basis)
    }
}

#[cfg(test)]
mod tests {
    use icefield_placement::{Change, ChangeKind};
    use icefield_spec::Spec;

    use crate::state::sample::{Sample, name, replica, spec};
    use crate::state::{Applied, Command, State};

    const NODES: [&str; 2] = ["n1", "n2"];

    fn declared(singleton: bool) -> Spec {
        let mut spec = spec(&NODES, &[("web", "a", 1)]);
        spec.services.get_mut("web").unwrap().unit.singleton = singleton;
        spec
    }

    /// Has web/0 placed on a node, or moved there.
    fn put(sample: &mut Sample, from: Option<&str>, node: &str) -> Applied {
        let mut to = crate::state::sample::assignment(node, "a");
        to.revision = sample.state.services["web"].target;
        let kind = match from {
            None => ChangeKind::Place { to },
            Some(from) => ChangeKind::Move { from: name(from), to },
        };
        let change = Change { replica: replica("web/0"), kind, reason: "why not".into() };
        sample.command(Command::Place { at: 1, seen: sample.state.version, changes: vec![change] })
    }

    fn release(node: &str) -> Command {
        Command::Release { at: 1, replica: replica("web/0"), node: name(node), reason: "it has stopped it".into() }
    }

    fn refusal(applied: Applied) -> String {
        match applied {
            Applied::Refused(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_singleton_is_on_another_node_only_once_the_last_one_has_given_it_up() {
        let mut sample = Sample::with(&NODES, &declared(true));
        assert!(matches!(put(&mut sample, None, "n1"), Applied::Done(_)));
        let held = "web/0 cannot be on n2: n1 may still run it, and it is a singleton";
        assert_eq!(refusal(put(&mut sample, Some("n1"), "n2")), held);
        assert!(refusal(sample.command(release("n1"))).contains("so that is to run it"));
        sample.remove("web/0");
        assert_eq!(refusal(put(&mut sample, None, "n2")), held);
        let text = serde_json::to_string(&sample.state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap().holders, sample.state.holders);
        sample.done(release("n1"));
        assert_eq!(sample.last_message(), "given up by n1: it has stopped it");
        assert!(matches!(sample.command(release("n1")), Applied::Unchanged(_)));
        assert!(matches!(put(&mut sample, None, "n2"), Applied::Done(_)));
        assert_eq!(sample.state.holders.get(&replica("web/0")), Some(&name("n2")));
    }

    #[test]
    fn the_node_that_has_it_may_have_it_again() {
        let mut sample = Sample::with(&NODES, &declared(true));
        put(&mut sample, None, "n1");
        sample.remove("web/0");
        assert!(matches!(put(&mut sample, None, "n1"), Applied::Done(_)));
    }

    #[test]
    fn what_becomes_a_singleton_is_given_up_first_as_well() {
        let mut sample = Sample::with(&NODES, &declared(false));
        put(&mut sample, None, "n1");
        assert!(sample.state.holders.is_empty());
        sample.apply(&declared(true));
        assert!(refusal(put(&mut sample, Some("n1"), "n2")).contains("n1 may still run it"));
        sample.remove("web/0");
        assert_eq!(sample.state.holders.get(&replica("web/0")), Some(&name("n1")));
    }
}
