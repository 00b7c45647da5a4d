use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_api::RolloutState;
use icefield_plan::PlannedUnit;
use icefield_spec::{Name, Revision, Service};
use serde::{Deserialize, Serialize};

/// What the cluster knows of a service beyond what the spec says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The unit of every revision that is placed, wanted or the last good one.
    pub units: BTreeMap<Revision, PlannedUnit>,
    /// The revision that replicas are to have. It differs from the spec's only after a rollback.
    pub target: Revision,
    /// The last revision that all replicas proved themselves with.
    pub good: Option<Revision>,
    /// The rollout under way, or the last one.
    pub rollout: Rollout,
}

/// The change of a service from one revision to another.
///
/// While it rolls back, [`ServiceRecord::target`] is the good revision and `to` still the failed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The revision before; `None` for a new service.
    pub from: Option<Revision>,
    /// The revision after.
    pub to: Revision,
    /// Where it stands.
    pub state: RolloutState,
    /// Why, where there is a reason to tell.
    pub message: String,
    /// The replicas that may have the target revision; the others keep the one they have. Not used for a new service,
    /// whose replicas all start at once, and empty once the rollout is over.
    pub advanced: BTreeSet<u32>,
    /// When it started, in milliseconds since 1970.
    pub started: u64,
    /// When it last went on, in milliseconds since 1970.
    pub stepped: u64,
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

    /// A rollout that starts now.
    const fn start(from: Option<Revision>, to: Revision, at: u64) -> Self {
        Self {
            from,
            to,
            state: RolloutState::Progressing,
            message: String::new(),
            advanced: BTreeSet::new(),
            started: at,
            stepped: at,
        }
    }
}

impl ServiceRecord {
    /// The record of a service that is declared for the first time.
    pub(super) fn first(name: &Name, service: &Service, at: u64) -> Self {
        let target = service.revision();
        let units = BTreeMap::from([(target, planned(name, service))]);
        Self { units, target, good: None, rollout: Rollout::start(None, target, at) }
    }

    /// The revision that replica `index` is to have, given the one it has.
    ///
    /// A replica that is nowhere takes the target revision: no running replica is stopped for that. Only where a
    /// rollout has failed and stays, it takes the last good one.
    pub fn wanted(&self, index: u32, current: Option<Revision>) -> Revision {
        let advanced = || self.rollout.from.is_none() || self.rollout.advanced.contains(&index);
        let current = current.filter(|revision| self.units.contains_key(revision));
        match self.rollout.state {
            RolloutState::Done | RolloutState::RolledBack => self.target,
            RolloutState::Progressing | RolloutState::RollingBack if advanced() => self.target,
            RolloutState::Progressing | RolloutState::RollingBack => current.unwrap_or(self.target),
            RolloutState::Failed if advanced() => self.target,
            RolloutState::Failed => current.or(self.good).unwrap_or(self.target),
        }
    }

    /// Takes up what the spec in force now says of the service; `before` is what the last one said. True if a rollout
    /// starts.
    ///
    /// One starts if the unit has changed. A revision that failed is tried again only if the declaration has changed in
    /// more than the number of replicas; a person retries by changing it, or by applying another spec and then this one
    /// again.
    pub(super) fn declare(&mut self, name: &Name, before: Option<&Service>, service: &Service, at: u64) -> bool {
        let revision = service.revision();
        let failed = self.rollout.to == revision
            && matches!(
                self.rollout.state,
                RolloutState::Failed | RolloutState::RollingBack | RolloutState::RolledBack
            );
        let starts = if failed {
            !before.is_some_and(|before| Service { replicas: service.replicas, ..before.clone() } == *service)
        } else {
            revision != self.target
        };
        if starts {
            let from = match self.good {
                Some(good) if good != revision => Some(good),
                _ if self.target != revision => Some(self.target),
                _ => self.rollout.from,
            };
            self.rollout = Rollout::start(from, revision, at);
            self.target = revision;
            self.units.entry(revision).or_insert_with(|| planned(name, service));
        } else if self.target == revision && self.rollout.to != revision {
            self.adopt_rollback(revision, at);
        }
        // The replicas of a daemon come and go with the nodes, not with its declaration.
        if !service.daemon {
            let before = before.filter(|before| !before.daemon);
            self.scale(before.map_or(service.replicas, |before| before.replicas), service.replicas, at);
        }
        starts
    }

    /// The revision that a rollout went back to is the declared one now, so going there is what is wanted.
    fn adopt_rollback(&mut self, revision: Revision, at: u64) {
        self.rollout.from = Some(self.rollout.to);
        self.rollout.to = revision;
        self.rollout.message = String::new();
        self.rollout.stepped = at;
        self.rollout.state = match self.rollout.state {
            RolloutState::Done | RolloutState::RolledBack => RolloutState::Done,
            _ => RolloutState::Progressing,
        };
    }

    /// Replicas that are new while a rollout is under way start at its revision.
    fn scale(&mut self, before: u32, now: u32, at: u64) {
        self.rollout.advanced.retain(|index| *index < now);
        if before < now && self.rollout.is_under_way() {
            self.rollout.stepped = at;
            if self.rollout.from.is_some() {
                self.rollout.advanced.extend(before..now);
            }
        }
    }
}

fn planned(name: &Name, service: &Service) -> PlannedUnit {
    PlannedUnit { service: name.clone(), unit: Arc::new(service.unit.clone()) }
}
