use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use icefield_api::{RolloutEntry, RolloutPhase, RolloutState};
use icefield_plan::PlannedUnit;
use icefield_spec::{Name, Revision, Service, Strategy};
use serde::{Deserialize, Serialize};

use super::Rollout;

/// What the cluster knows of a service beyond what the spec says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The unit of every revision that is placed, wanted or one to go back to.
    pub units: BTreeMap<Revision, PlannedUnit>,
    /// The revision that replicas are to have. It differs from the spec's only after a rollback.
    pub target: Revision,
    /// The last revision that all replicas proved themselves with.
    pub good: Option<Revision>,
    /// The one that all had proved themselves with before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Revision>,
    /// Those before that one, newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub earlier: VecDeque<Revision>,
    /// Which replicas are the service's own, if those are not the first ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<BTreeSet<u32>>,
    /// The log index of the last command that changed what steps of the rollout are decided from: what is declared, the
    /// rollout itself, or someone's wish.
    #[serde(default)]
    pub basis: u64,
    /// The rollout under way, or the last one.
    pub rollout: Rollout,
    /// Those before it, newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub past: VecDeque<RolloutEntry>,
}

impl ServiceRecord {
    /// How many past rollouts of a service are told of.
    const PAST: usize = 20;

    /// How many revisions are kept to go back to before [`Self::previous`].
    const EARLIER: usize = 4;

    /// The revisions that it can go back to, newest first.
    pub fn ways_back(&self) -> Vec<Revision> {
        let all = self.good.into_iter().chain(self.previous).chain(self.earlier.iter().rev().copied());
        all.filter(|revision| *revision != self.target).collect()
    }

    /// The revisions whose units it needs, whatever replicas have.
    pub(super) fn kept(&self) -> impl Iterator<Item = Revision> {
        std::iter::once(self.target).chain(self.good).chain(self.previous).chain(self.earlier.iter().copied())
    }

    /// Whether `revision` is merely kept for an undo.
    pub(super) fn is_past(&self, revision: &Revision) -> bool {
        self.previous.as_ref() == Some(revision) || self.earlier.contains(revision)
    }

    /// All replicas have proved themselves with the target: it is the good revision now.
    pub(super) fn prove(&mut self) {
        if let Some(good) = self.good.filter(|good| *good != self.target) {
            self.earlier.extend(self.previous.replace(good));
        }
        self.good = Some(self.target);
        self.previous = self.previous.filter(|previous| *previous != self.target);
        let (target, previous) = (self.target, self.previous);
        self.earlier.retain(|earlier| *earlier != target && Some(*earlier) != previous);
        while self.earlier.len() > Self::EARLIER {
            self.earlier.pop_front();
        }
    }

    /// Makes one of [`Self::ways_back`] the good revision; those after it are no ways back any more.
    pub(super) fn go_back(&mut self, to: Revision) {
        if self.good != Some(to) {
            while self.previous.take_if(|previous| *previous != to).is_some() {
                self.previous = self.earlier.pop_back();
            }
            self.previous = self.earlier.pop_back();
        }
        (self.good, self.target) = (Some(to), to);
    }

    /// The record of a service that is declared for the first time.
    pub(super) fn first(name: &Name, service: &Service, at: u64) -> Self {
        let target = service.revision();
        let units = BTreeMap::from([(target, planned(name, service))]);
        let rollout = Rollout::start(None, target, first_phase(None, service), at);
        Self {
            units,
            target,
            good: None,
            previous: None,
            earlier: VecDeque::new(),
            own: None,
            basis: 0,
            rollout,
            past: VecDeque::new(),
        }
    }

    /// The revision that replica `index` is to have, given the one it has.
    ///
    /// A replica that is nowhere takes the target revision: no running replica is stopped for that. But where a rollout has
    /// failed and stays, or only some are to try the target, it takes the last good one.
    pub fn wanted(&self, index: u32, current: Option<Revision>) -> Revision {
        let advanced = || self.rollout.from.is_none() || self.rollout.advanced.contains(&index);
        let current = current.filter(|revision| self.units.contains_key(revision));
        match self.rollout.state {
            _ if self.rollout.is_beside(index) => current.unwrap_or(self.target),
            RolloutState::Done | RolloutState::RolledBack => self.target,
            RolloutState::Progressing | RolloutState::RollingBack if advanced() => self.target,
            RolloutState::Progressing | RolloutState::RollingBack => match self.rollout.phase {
                RolloutPhase::Rolling => current.unwrap_or(self.target),
                _ => current.or(self.good).unwrap_or(self.target),
            },
            RolloutState::Failed | RolloutState::Superseded if advanced() => self.target,
            RolloutState::Failed | RolloutState::Superseded => current.or(self.good).unwrap_or(self.target),
        }
    }

    /// Whether none of its replicas is to be started yet: it never ran, and what it comes after is not there, or has failed.
    pub fn is_held_back(&self) -> bool {
        !self.rollout.is_over() && self.rollout.phase == RolloutPhase::Waiting && self.rollout.from.is_none()
    }

    /// The indexes of the service's own replicas, rising; `replicas` is how many it declares.
    pub fn own(&self, replicas: u32) -> Vec<u32> {
        match &self.own {
            Some(own) => own.iter().copied().collect(),
            None => (0..replicas).collect(),
        }
    }

    /// Whether replica `index` is one of the service's own; `replicas` is how many it declares.
    pub fn is_own(&self, index: u32, replicas: u32) -> bool {
        match &self.own {
            Some(own) => own.contains(&index),
            None => index < replicas,
        }
    }

    /// Whether there is to be a replica `index`; `replicas` is how many the service declares.
    pub fn has(&self, index: u32, replicas: u32) -> bool {
        self.is_own(index, replicas) || self.rollout.is_beside(index)
    }

    /// The lowest indexes that no replica has; `replicas` is how many the service declares.
    pub fn unused(&self, replicas: u32) -> impl Iterator<Item = u32> {
        (0..).filter(move |index| !self.has(*index, replicas))
    }

    /// Takes up what the spec in force now says of the service; `before` is what the last one said, and `placed` are the
    /// replicas that there are. True if a rollout starts.
    ///
    /// One starts if the unit has changed. A revision that failed is tried again only if the declaration has changed in
    /// more than the number of replicas; a person retries by changing it, or by applying another spec and then this one
    /// again. Otherwise the rollout goes on, but what it was about to replace, it decides anew.
    pub(super) fn declare(
        &mut self,
        name: &Name,
        before: Option<&Service>,
        service: &Service,
        placed: &BTreeMap<u32, Revision>,
        at: u64,
    ) -> bool {
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
            self.start(from, revision, service, at);
            self.units.entry(revision).or_insert_with(|| planned(name, service));
        } else if self.target == revision && self.rollout.to != revision {
            self.adopt_rollback(revision, at);
        }
        let target = self.target;
        self.rollout.advanced.retain(|index| placed.get(index).is_none_or(|revision| *revision == target));
        // The replicas of a daemon come and go with the nodes, not with its declaration.
        if service.daemon {
            self.own = None;
            self.rollout.surge.clear();
            self.rollout.green.clear();
            self.rollout.retired.clear();
        } else {
            let before = before.filter(|before| !before.daemon);
            // What is placed and not its own is about to end, and one that was beside its own is where those may not be. But
            // a replica with volumes gets its data back when it is declared again.
            let there = placed.keys().copied().filter(|_| service.unit.volumes.is_empty()).collect();
            self.scale(before.map_or(service.replicas, |before| before.replicas), service.replicas, &there, at);
        }
        starts
    }

    /// Starts a rollout in place of the one that there is. What serves beside the service's own stays as long as it is of
    /// use; what discovery does not know of goes.
    fn start(&mut self, from: Option<Revision>, to: Revision, service: &Service, at: u64) {
        let mut rollout = Rollout::start(from, to, first_phase(from, service), at);
        rollout.surge = std::mem::take(&mut self.rollout.surge);
        self.past.push_back(self.rollout.entry(Some(at)));
        while self.past.len() > Self::PAST {
            self.past.pop_front();
        }
        self.rollout = rollout;
        self.target = to;
    }

    /// The revision that a rollout went back to is the declared one now, so going there is what is wanted.
    fn adopt_rollback(&mut self, revision: Revision, at: u64) {
        self.rollout.from = Some(self.rollout.to);
        self.rollout.to = revision;
        self.rollout.message = String::new();
        self.rollout.stepped = at;
        if self.rollout.is_over() {
            self.rollout.state = RolloutState::Done;
        } else {
            (self.rollout.state, self.rollout.ended) = (RolloutState::Progressing, None);
        }
    }

    /// Replicas that are new while a rollout is under way start at its revision, unless only some are to try that; none is new
    /// at one of the indexes `there`.
    fn scale(&mut self, before: u32, now: u32, there: &BTreeSet<u32>, at: u64) {
        if before == now && self.own.as_ref().is_none_or(|own| own.len() == now as usize) {
            return;
        }
        let mut own: BTreeSet<u32> = self.own(before).into_iter().collect();
        let unused = self.unused(before).filter(|index| !there.contains(index));
        let new: Vec<u32> = unused.take((now as usize).saturating_sub(own.len())).collect();
        own.extend(&new);
        while own.len() > now as usize {
            own.pop_last();
        }
        self.rollout.advanced.retain(|index| own.contains(index));
        if !new.is_empty() && self.rollout.is_under_way() {
            self.rollout.stepped = at;
            if self.rollout.from.is_some() && self.rollout.phase == RolloutPhase::Rolling {
                self.rollout.advanced.extend(new);
            }
        }
        self.set_own(own, now);
    }

    /// Notes which replicas are the service's own, of which it declares `replicas`.
    pub(super) fn set_own(&mut self, own: BTreeSet<u32>, replicas: u32) {
        let are_first = own.len() == replicas as usize && own.last().is_none_or(|last| *last + 1 == replicas);
        self.own = (!are_first).then_some(own);
    }
}

/// What a rollout begins with.
fn first_phase(from: Option<Revision>, service: &Service) -> RolloutPhase {
    if service.after.is_empty() { begun_phase(from, service) } else { RolloutPhase::Waiting }
}

/// What it goes on with once what the service comes after is ready.
pub(super) fn begun_phase(from: Option<Revision>, service: &Service) -> RolloutPhase {
    let tries_first = from.is_some() && service.update.kind != Strategy::Rolling;
    if tries_first { RolloutPhase::Trial } else { RolloutPhase::Rolling }
}

fn planned(name: &Name, service: &Service) -> PlannedUnit {
    PlannedUnit { service: name.clone(), unit: Arc::new(service.unit.clone()) }
}
