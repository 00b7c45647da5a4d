use std::collections::BTreeSet;

use icefield_api::{RolloutEntry, RolloutPhase, RolloutState};
use icefield_spec::Revision;
use serde::{Deserialize, Serialize};

/// The change of a service from one revision to another.
///
/// While it rolls back, [`super::ServiceRecord::target`] is the good revision and `to` still the failed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The revision before; `None` for a new service.
    pub from: Option<Revision>,
    /// The revision after.
    pub to: Revision,
    /// Where it stands.
    pub state: RolloutState,
    /// What it is at, as long as it is under way.
    #[serde(default)]
    pub phase: RolloutPhase,
    /// Since when it is at that, in milliseconds since 1970.
    #[serde(default)]
    pub since: u64,
    /// Since when a person has had it take no step, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<u64>,
    /// Why, where there is a reason to tell.
    pub message: String,
    /// The service's own replicas that may have the target revision; the others keep the one they have. Not used for a new
    /// service, whose replicas all start at once, and empty once the rollout is over.
    pub advanced: BTreeSet<u32>,
    /// Replicas beside the service's own that serve as those do, so that some of those can be taken down.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub surge: BTreeSet<u32>,
    /// Replicas beside the service's own that discovery does not know of; they become its own in one step.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub green: BTreeSet<u32>,
    /// Replicas that were the service's own before that, and that discovery does not know of any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub retired: BTreeSet<u32>,
    /// When it started, in milliseconds since 1970.
    pub started: u64,
    /// When it last went on, in milliseconds since 1970.
    pub stepped: u64,
    /// When it ended, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
}

impl Rollout {
    /// Whether it still moves.
    pub const fn is_under_way(&self) -> bool {
        matches!(self.state, RolloutState::Progressing | RolloutState::RollingBack)
    }

    /// Whether every replica is as its service's target has it, but for what comes and goes.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, RolloutState::Done | RolloutState::RolledBack)
    }

    /// Whether it is under way and takes no step by itself for a while.
    pub const fn rests(&self) -> bool {
        self.paused.is_some() || matches!(self.phase, RolloutPhase::Held | RolloutPhase::Waiting)
    }

    /// The replicas beside the service's own.
    pub fn beside(&self) -> impl Iterator<Item = u32> {
        self.surge.iter().chain(&self.green).chain(&self.retired).copied()
    }

    /// Whether replica `index` is beside the service's own.
    pub fn is_beside(&self, index: u32) -> bool {
        self.surge.contains(&index) || self.is_hidden(index)
    }

    /// Whether discovery is not to know of replica `index`.
    pub fn is_hidden(&self, index: u32) -> bool {
        self.green.contains(&index) || self.retired.contains(&index)
    }

    /// A rollout that starts now.
    pub(super) const fn start(from: Option<Revision>, to: Revision, phase: RolloutPhase, at: u64) -> Self {
        Self {
            from,
            to,
            state: RolloutState::Progressing,
            phase,
            since: at,
            paused: None,
            message: String::new(),
            advanced: BTreeSet::new(),
            surge: BTreeSet::new(),
            green: BTreeSet::new(),
            retired: BTreeSet::new(),
            started: at,
            stepped: at,
            ended: None,
        }
    }

    /// Goes over to another phase.
    pub(super) fn turn(&mut self, phase: RolloutPhase, at: u64) {
        (self.phase, self.since, self.stepped) = (phase, at, at);
    }

    /// Sets out for the good revision, with what serves.
    pub(super) fn turn_back(&mut self, message: String, at: u64) {
        self.state = RolloutState::RollingBack;
        self.message = message;
        self.paused = None;
        self.ended = None;
        self.advanced.clear();
        self.green.clear();
        self.turn(RolloutPhase::Rolling, at);
    }

    /// Comes to its end.
    pub(crate) fn end(&mut self, state: RolloutState, at: u64) {
        self.state = state;
        self.ended = Some(at);
        self.paused = None;
        self.phase = RolloutPhase::Rolling;
        self.advanced.clear();
        self.surge.clear();
        self.green.clear();
        self.retired.clear();
    }

    /// What the history tells of it, if it is followed by another one at `at`.
    pub fn entry(&self, at: Option<u64>) -> RolloutEntry {
        let (state, ended) = match at {
            Some(at) if self.is_under_way() => (RolloutState::Superseded, Some(at)),
            _ => (self.state, self.ended),
        };
        RolloutEntry {
            from: self.from,
            to: self.to,
            state,
            message: self.message.clone(),
            started: self.started,
            ended,
        }
    }
}
