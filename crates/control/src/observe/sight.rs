use std::collections::BTreeMap;

use icefield_api::{Heartbeat, ReplicaReport, SystemReport};
use icefield_placement::ReplicaId;
use icefield_spec::{Name, Revision};

use super::rhythm::Rhythm;

/// What was last heard of one node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sight {
    /// When.
    pub(crate) at: u64,
    /// When its agent last told all of it.
    pub(crate) told: u64,
    /// For how long this server has been deaf until then; see [`super::Observations`].
    pub(super) deaf: u64,
    /// How far apart its signs of life come.
    pub(super) rhythm: Rhythm,
    /// Until when it was promised that it may run its singletons.
    pub(super) promised: u64,
    /// When its agent was started.
    pub(super) started: u64,
    /// The number of the report that this is.
    pub(super) number: u64,
    /// Where its agent serves what its store has, if it does.
    pub(crate) cache: Option<String>,
    /// The generation that its agent has taken up.
    pub(crate) generation: u64,
    /// What its agent has to say of the node.
    pub(crate) message: Option<String>,
    /// What of its replicas' units its agent has put right lately.
    pub(crate) drift: Vec<String>,
    /// What its agent says of its NixOS system, if it activates any.
    pub(crate) system: Option<SystemReport>,
    /// Whether its agent has said its last word.
    pub(crate) leaving: bool,
    /// What its agent knows of the endpoints that its replicas use.
    pub(crate) endpoints: BTreeMap<Name, Option<Revision>>,
    /// Every replica that it has.
    pub(crate) replicas: BTreeMap<ReplicaId, ReplicaReport>,
}

impl Sight {
    /// What `heartbeat` tells, heard at `at` after so much deafness; `before` is what was heard before.
    pub(super) fn new(heartbeat: Heartbeat, at: u64, deaf: u64, before: Option<&Self>) -> Self {
        let replicas = heartbeat.replicas.into_iter().map(|report| (report.replica.clone(), report)).collect();
        let mut sight = Self {
            at,
            told: at,
            deaf,
            rhythm: Rhythm::default(),
            promised: before.map_or(0, |before| before.promised),
            started: heartbeat.started,
            number: heartbeat.number,
            cache: heartbeat.cache,
            generation: heartbeat.generation,
            message: heartbeat.message,
            drift: heartbeat.drift,
            system: heartbeat.system,
            leaving: heartbeat.leaving,
            endpoints: heartbeat.endpoints,
            replicas,
        };
        // An agent that was started anew has not been late, it was not there.
        if let Some(before) = before.filter(|before| before.started == sight.started) {
            sight.rhythm = before.rhythm;
            sight.rhythm.note(before.silence(at, deaf), at);
        }
        sight
    }

    /// Takes note that all of it is still true.
    pub(super) fn renew(&mut self, at: u64, deaf: u64) {
        let gap = self.silence(at, deaf);
        self.rhythm.note(gap, at);
        (self.at, self.deaf) = (at, deaf);
    }

    /// For how long it has not been heard of by now, the time left out in which nobody listened.
    pub(super) fn silence(&self, now: u64, deaf: u64) -> u64 {
        now.saturating_sub(self.at).saturating_sub(deaf.saturating_sub(self.deaf))
    }

    /// Whether a reader of the status could tell the two apart. Times pass without anything to see.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        self.generation == other.generation
            && self.message == other.message
            && self.system == other.system
            && self.replicas.len() == other.replicas.len()
            && self.replicas.values().zip(other.replicas.values()).all(|(a, b)| {
                a.replica == b.replica
                    && a.revision == b.revision
                    && a.state == b.state
                    && a.pid == b.pid
                    && a.restarts == b.restarts
                    && a.message == b.message
            })
    }
}
