use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_api::{Alive, EventKind, Heartbeat, ReplicaReport, ReplicaState};
use icefield_placement::{Exclusion, ReplicaId, Unplaced};
use icefield_spec::Name;

use super::health::Health;
use super::rhythm::Rhythm;
use super::sight::Sight;
use super::transition::{Allowance, describe};
use crate::{Command, State};

/// What the leading server has seen since it leads.
///
/// A server that could not run for a while has heard nothing meanwhile, and no node is to blame for that. It notices by
/// how late it comes to ask itself what to do; that time counts as deafness, and as no node's silence.
///
/// All times are milliseconds since 1970 by a clock that never goes back: the wall clock as it was at the server's
/// start, and from then on a monotonic one.
#[derive(Debug, Clone)]
pub struct Observations {
    since: u64,
    /// When this server last listened, for how long it has been deaf until then, and how late it was lately.
    listened: u64,
    deaf: u64,
    lateness: Rhythm,
    index: u64,
    nodes: BTreeMap<Name, Sight>,
    /// The gap between heartbeats that is usual in the fleet, as last worked out.
    usual: u64,
    health: Health,
    unplaced: BTreeMap<ReplicaId, Arc<Vec<Exclusion>>>,
    allowances: BTreeMap<ReplicaId, Allowance>,
    notes: Vec<Note>,
    told: Vec<(EventKind, String, String)>,
}

/// Something to tell of a replica, if it turns out to be placed on that node.
#[derive(Debug, Clone)]
struct Note {
    node: Name,
    replica: ReplicaId,
    message: String,
}

impl Observations {
    /// How far apart signs of life are expected at least, in milliseconds: they are not known to come more often.
    const BRISK: u64 = 500;

    /// What a server has seen that leads from `now` on: nothing. Each node has its whole lease to be heard of.
    pub fn new(now: u64) -> Self {
        Self {
            since: now,
            listened: now,
            deaf: 0,
            lateness: Rhythm::default(),
            // Starting from the time, the index is beyond all that an earlier leader has given.
            index: now,
            nodes: BTreeMap::new(),
            usual: 0,
            health: Health::default(),
            unplaced: BTreeMap::new(),
            allowances: BTreeMap::new(),
            notes: Vec::new(),
            told: Vec::new(),
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
        let before = self.nodes.get(node);
        let sight = Sight::new(heartbeat, now, self.deaf, before);
        let visible = !before.is_some_and(|before| before.looks_like(&sight));
        let drift = |sight: &Sight| sight.system.as_ref().map(|system| system.drift.clone()).unwrap_or_default();
        let drifted = drift(&sight);
        if before.is_some_and(|before| drift(before) != drifted) && !drifted.is_empty() {
            self.told.push((EventKind::Node, format!("node {node}"), drifted.join("; ")));
        }
        if let Some(before) = before {
            let news = sight.drift.iter().filter(|drift| !before.drift.contains(drift));
            self.told.extend(news.map(|drift| (EventKind::Node, format!("node {node}"), drift.clone())));
        }
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

    /// Takes up that an agent's last report is still true; false if that report is not known.
    pub fn alive(&mut self, node: &Name, alive: &Alive, now: u64) -> bool {
        let known = |sight: &&mut Sight| (sight.started, sight.number) == (alive.started, alive.number);
        match self.nodes.get_mut(node).filter(known) {
            Some(sight) => {
                sight.renew(now, self.deaf);
                true
            }
            None => false,
        }
    }

    /// Takes note that this server listens, which it should do over and over; what was late about it is deafness.
    pub(crate) fn listen(&mut self, now: u64) {
        /// The longest time from one look to the next that is nothing special, in milliseconds.
        const USUAL: u64 = 250;
        let late = now.saturating_sub(self.listened).saturating_sub(USUAL);
        self.listened = self.listened.max(now);
        self.deaf += late;
        self.lateness.note(late, now);
    }

    /// For how long a node has not been heard of, in milliseconds: not longer than this server has listened.
    pub(crate) fn silence(&self, node: &str, now: u64) -> u64 {
        match self.nodes.get(node) {
            Some(sight) => sight.silence(now, self.deaf),
            None => now.saturating_sub(self.since).saturating_sub(self.deaf),
        }
    }

    /// Whether a node was last heard of so long ago that it would have told more since, if this server had been there to listen.
    pub(crate) fn is_outdated(&self, node: &str, now: u64) -> bool {
        let within = self.usual.max(Self::BRISK).saturating_mul(2);
        self.nodes.get(node).is_none_or(|sight| now.saturating_sub(sight.at) > within)
    }

    /// The longest gap between the signs of life of a node lately; of one that is not known, none.
    pub(crate) fn gap(&self, node: &str, now: u64) -> u64 {
        self.nodes.get(node).map_or(0, |sight| sight.rhythm.longest(now))
    }

    /// Works out the gap between heartbeats that three quarters of the nodes stay within.
    pub(crate) fn measure_gaps(&mut self, now: u64) {
        let mut gaps: Vec<u64> = self.nodes.values().map(|sight| sight.rhythm.longest(now)).collect();
        if gaps.is_empty() {
            return;
        }
        let at = (gaps.len() * 3).div_ceil(4) - 1;
        self.usual = *gaps.select_nth_unstable(at).1;
    }

    /// The gap between heartbeats that three quarters of the nodes stay within, as last worked out; in milliseconds.
    pub(crate) fn usual_gap(&self) -> u64 {
        self.usual
    }

    /// By how much this server was late to listen lately.
    pub(crate) fn lateness(&self, now: u64) -> u64 {
        self.lateness.longest(now)
    }

    /// Takes note that a node was promised that it may run its singletons until `until`.
    pub(crate) fn promise(&mut self, node: &str, until: u64) {
        if let Some(sight) = self.nodes.get_mut(node) {
            sight.promised = sight.promised.max(until);
        }
    }

    /// Until when this server has promised a node that it may run its singletons; 0 if it has not.
    pub(crate) fn promised(&self, node: &str) -> u64 {
        self.nodes.get(node).map_or(0, |sight| sight.promised)
    }

    /// What is thought of the nodes' health.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Takes up what is thought of the nodes' health now.
    pub(crate) fn set_health(&mut self, health: Health, now: u64) {
        if self.health != health {
            self.health = health;
            self.rise(now);
        }
    }

    /// Has something told that is no replica's.
    pub(crate) fn tell(&mut self, kind: EventKind, subject: String, message: String) {
        self.told.push((kind, subject, message));
    }

    /// Remembers which replicas fit nowhere, and why.
    pub(crate) fn set_unplaced(&mut self, unplaced: Vec<Unplaced>, now: u64) {
        let unplaced = unplaced.into_iter().map(|one| (one.replica, one.reasons)).collect();
        if self.unplaced != unplaced {
            self.unplaced = unplaced;
            self.rise(now);
        }
    }

    fn rise(&mut self, now: u64) {
        self.index = now.max(self.index + 1);
    }

    /// What was last heard of a node, if anything was since this server leads.
    pub(crate) fn sight(&self, node: &str) -> Option<&Sight> {
        self.nodes.get(node)
    }

    /// All that was heard, by node.
    pub(crate) fn sights(&self) -> impl ExactSizeIterator<Item = (&Name, &Sight)> {
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
        let heard = self.nodes.get(node).map_or(now, |sight| sight.told);
        report.since.get().saturating_add(now.saturating_sub(heard))
    }

    /// For how long `report` of `node` was true when the node was last heard of, in milliseconds.
    pub(crate) fn witnessed(&self, node: &str, report: &ReplicaReport) -> u64 {
        let more = self.nodes.get(node).map_or(0, |sight| sight.at.saturating_sub(sight.told));
        report.since.get().saturating_add(more)
    }

    /// The command that remembers what was seen since the last time, if anything was worth it.
    pub fn take_notes(&mut self, state: &State, now: u64) -> Option<Command> {
        let mut notes = std::mem::take(&mut self.told);
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
            started: 1,
            number: 1,
            address: "10.0.0.1".into(),
            api: "http://127.0.0.1:1".into(),
            cache: None,
            capacity: Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(1 << 30), ports: None },
            drivers: vec!["exec".into()],
            generation: 1,
            replicas,
            endpoints: BTreeMap::new(),
            message: None,
            drift: Vec::new(),
            system: None,
            leaving: false,
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
            exit: None,
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
    fn silence_counts_from_when_a_server_leads_and_only_while_it_listens() {
        let mut seen = Observations::new(1_000);
        assert_eq!(seen.silence("n1", 1_200), 200);
        seen.listen(1_100);
        seen.listen(5_000);
        assert_eq!(seen.silence("n1", 5_000), 350, "it was deaf for the rest");
        assert!(seen.lateness(5_000) >= 3_600);
        seen.heartbeat(&name("n1"), heartbeat(vec![]), 5_100);
        seen.listen(5_200);
        assert_eq!(seen.silence("n1", 5_300), 200);
    }

    #[test]
    fn a_report_that_is_still_true_grows_older() {
        let (mut seen, n1) = (Observations::new(0), name("n1"));
        let alive = |number| Alive { started: 1, number };
        assert!(!seen.alive(&n1, &alive(1), 900), "there is none yet");
        seen.heartbeat(&n1, heartbeat(vec![report("web/0", "a", ReplicaState::Healthy, 0)]), 1_000);
        let index = seen.index();
        assert!(!seen.alive(&n1, &alive(2), 1_100));
        assert!(seen.alive(&n1, &alive(1), 1_500));
        assert_eq!((seen.silence("n1", 1_600), seen.gap("n1", 1_500), seen.index()), (100, 500, index));
        let report = seen.report("n1", &replica("web/0")).unwrap();
        assert_eq!(seen.age("n1", report, 1_600), 600);
    }

    #[test]
    fn an_agent_that_was_started_anew_was_not_late() {
        let (mut seen, n1) = (Observations::new(0), name("n1"));
        seen.heartbeat(&n1, heartbeat(vec![]), 1_000);
        seen.heartbeat(&n1, heartbeat(vec![]), 2_500);
        assert_eq!(seen.gap("n1", 2_500), 1_500);
        seen.heartbeat(&n1, Heartbeat { started: 2, ..heartbeat(vec![]) }, 9_000);
        assert_eq!(seen.gap("n1", 9_000), 0);
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
