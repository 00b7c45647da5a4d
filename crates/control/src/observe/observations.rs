use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_api::{EventKind, Heartbeat, ReplicaReport, ReplicaState};
use icefield_placement::{Exclusion, ReplicaId, Unplaced};
use icefield_spec::Name;

use super::sight::Sight;
use super::transition::{Allowance, describe};
use crate::{Command, State};

/// What the leading server has seen since it leads.
///
/// All times are milliseconds since 1970 by a clock that never goes back: the wall clock as it was at the server's
/// start, and from then on a monotonic one.
#[derive(Debug, Clone)]
pub struct Observations {
    since: u64,
    excused: u64,
    index: u64,
    nodes: BTreeMap<Name, Sight>,
    unplaced: BTreeMap<ReplicaId, Arc<Vec<Exclusion>>>,
    allowances: BTreeMap<ReplicaId, Allowance>,
    notes: Vec<Note>,
}

/// Something to tell of a replica, if it turns out to be placed on that node.
#[derive(Debug, Clone)]
struct Note {
    node: Name,
    replica: ReplicaId,
    message: String,
}

impl Observations {
    /// What a server has seen that leads from `now` on: nothing. Each node has its whole lease to be heard of.
    pub fn new(now: u64) -> Self {
        Self {
            since: now,
            excused: now,
            // Starting from the time, the index is beyond all that an earlier leader has given.
            index: now,
            nodes: BTreeMap::new(),
            unplaced: BTreeMap::new(),
            allowances: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Rises whenever anything changes that [`crate::view::status`] shows; never falls, also not from leader to leader.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Since when this server leads.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Takes up what an agent says.
    pub fn heartbeat(&mut self, node: &Name, heartbeat: Heartbeat, now: u64) {
        let sight = Sight::new(heartbeat, now);
        let before = self.nodes.get(node);
        let visible = !before.is_some_and(|before| before.looks_like(&sight));
        if let Some(before) = before.filter(|_| visible) {
            for (replica, report) in &sight.replicas {
                let Some(last) = before.replicas.get(replica) else { continue };
                if let Some(message) = describe(node, last, report) {
                    self.notes.push(Note { node: node.clone(), replica: replica.clone(), message });
                }
            }
        }
        self.nodes.insert(node.clone(), sight);
        if visible {
            self.rise(now);
        }
    }

    /// Remembers which replicas fit nowhere, and why.
    pub(crate) fn set_unplaced(&mut self, unplaced: Vec<Unplaced>, now: u64) {
        let unplaced = unplaced.into_iter().map(|one| (one.replica, one.reasons)).collect();
        if self.unplaced != unplaced {
            self.unplaced = unplaced;
            self.rise(now);
        }
    }

    /// Lets every node count as heard of now, because this server could not listen until now.
    pub(crate) fn excuse(&mut self, now: u64) {
        self.excused = self.excused.max(now);
    }

    fn rise(&mut self, now: u64) {
        self.index = now.max(self.index + 1);
    }

    /// When a node was last heard of, or would have been if this server had been listening.
    pub(crate) fn heard_or_excused(&self, node: &str) -> u64 {
        self.nodes.get(node).map_or(self.excused, |sight| sight.at.max(self.excused))
    }

    /// What was last heard of a node, if anything was since this server leads.
    pub(crate) fn sight(&self, node: &str) -> Option<&Sight> {
        self.nodes.get(node)
    }

    /// All that was heard, by node.
    pub(crate) fn sights(&self) -> impl Iterator<Item = (&Name, &Sight)> {
        self.nodes.iter()
    }

    /// What `node` says of `replica`. What any other node says of it does not count: there it is left over.
    pub(crate) fn report(&self, node: &str, replica: &ReplicaId) -> Option<&ReplicaReport> {
        self.nodes.get(node)?.replicas.get(replica)
    }

    /// Why `replica` fits nowhere, if it was found so.
    pub(crate) fn unplaced(&self, replica: &ReplicaId) -> Option<&[Exclusion]> {
        self.unplaced.get(replica).map(|reasons| reasons.as_slice())
    }

    /// For how long `report` of `node` has been true by now, in milliseconds.
    pub(crate) fn age(&self, node: &str, report: &ReplicaReport, now: u64) -> u64 {
        let heard = self.nodes.get(node).map_or(now, |sight| sight.at);
        report.since.get().saturating_add(now.saturating_sub(heard))
    }

    /// The command that remembers what was seen since the last time, if anything was worth it.
    pub fn take_notes(&mut self, state: &State, now: u64) -> Option<Command> {
        let mut notes = Vec::new();
        for note in std::mem::take(&mut self.notes) {
            let placed = state.placed.get(&note.replica).is_some_and(|assignment| assignment.node == note.node);
            let allowance = self.allowances.entry(note.replica.clone()).or_insert_with(|| Allowance::new(now));
            if placed && allowance.take(now) {
                notes.push((EventKind::Replica, note.replica.to_string(), note.message));
            }
        }
        self.allowances.retain(|replica, _| state.placed.get(replica).is_some());
        (!notes.is_empty()).then_some(Command::Note { at: now, notes })
    }
}

/// Whether a report says that the replica serves.
pub(crate) fn is_healthy(report: &ReplicaReport) -> bool {
    report.state == ReplicaState::Healthy
}

#[cfg(test)]
pub(crate) mod sample {
    use std::collections::BTreeMap;

    use icefield_api::{Capacity, Heartbeat, ReplicaReport, ReplicaState};
    use icefield_spec::{Bytes, Cpu, Millis};

    use crate::state::sample::{replica, revision};

    pub(crate) fn heartbeat(replicas: Vec<ReplicaReport>) -> Heartbeat {
        Heartbeat {
            address: "10.0.0.1".into(),
            api: "http://127.0.0.1:1".into(),
            capacity: Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(1 << 30), ports: None },
            drivers: vec!["exec".into()],
            generation: 1,
            replicas,
            endpoints: BTreeMap::new(),
            message: None,
        }
    }

    /// A report of a replica that has been in its state for `since` milliseconds.
    pub(crate) fn report(text: &str, version: &str, state: ReplicaState, since: u64) -> ReplicaReport {
        ReplicaReport {
            replica: replica(text),
            revision: revision(version),
            state,
            pid: Some(41),
            since: Millis::new(since),
            restarts: 0,
            message: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{heartbeat, report};
    use super::*;
    use crate::state::sample::{Sample, name, replica, spec};

    #[test]
    fn the_index_rises_with_what_is_seen_and_not_with_time() {
        let mut seen = Observations::new(1_000);
        let n1 = name("n1");
        seen.heartbeat(&n1, heartbeat(vec![report("web/0", "a", ReplicaState::Starting, 0)]), 1_001);
        let first = seen.index();
        assert!(first > 1_000);
        seen.heartbeat(&n1, heartbeat(vec![report("web/0", "a", ReplicaState::Starting, 500)]), 1_500);
        assert_eq!(seen.index(), first);
        seen.heartbeat(&n1, heartbeat(vec![report("web/0", "a", ReplicaState::Healthy, 0)]), 1_500);
        seen.heartbeat(&n1, heartbeat(vec![]), 1_500);
        assert_eq!(seen.index(), 1_501, "twice within one millisecond");
    }

    #[test]
    fn a_node_counts_as_heard_of_when_a_server_starts_to_lead() {
        let mut seen = Observations::new(1_000);
        assert_eq!(seen.heard_or_excused("n1"), 1_000);
        assert!(seen.sight("n1").is_none());
        seen.excuse(5_000);
        assert_eq!(seen.heard_or_excused("n1"), 5_000);
        seen.heartbeat(&name("n1"), heartbeat(vec![]), 6_000);
        assert_eq!(seen.heard_or_excused("n1"), 6_000);
    }

    #[test]
    fn the_age_of_a_report_grows_after_it_was_heard() {
        let mut seen = Observations::new(0);
        seen.heartbeat(&name("n1"), heartbeat(vec![report("web/0", "a", ReplicaState::Healthy, 400)]), 1_000);
        let report = seen.report("n1", &replica("web/0")).unwrap();
        assert_eq!(seen.age("n1", report, 1_250), 650);
        assert_eq!(seen.age("n1", report, 900), 400, "a clock that goes back does no harm");
    }

    #[test]
    fn notes_are_taken_once_and_only_of_replicas_in_their_place() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 2)]));
        sample.place("web/0", "n1");
        let mut seen = Observations::new(0);
        for state in [ReplicaState::Healthy, ReplicaState::Failed] {
            for node in ["n1", "n2"] {
                seen.heartbeat(&name(node), heartbeat(vec![report("web/0", "a", state, 0)]), 10);
            }
        }
        let Some(Command::Note { notes, .. }) = seen.take_notes(&sample.state, 11) else { panic!("no notes") };
        assert_eq!(notes, [(EventKind::Replica, "web/0".to_owned(), "failed on n1".to_owned())]);
        assert_eq!(seen.take_notes(&sample.state, 12), None);
    }
}
