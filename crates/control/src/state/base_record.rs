use std::collections::{BTreeMap, BTreeSet, VecDeque};

use icefield_api::{RolloutEntry, RolloutPhase, RolloutState};
use icefield_spec::{Base, Name, Revision, StorePath, Strategy};
use serde::{Deserialize, Serialize};

use super::Rollout;

/// What the cluster knows of a base beyond what the spec says. Its revisions are hashes of systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRecord {
    /// The system of every revision that is spoken of.
    pub systems: BTreeMap<Revision, StorePath>,
    /// The system that its nodes are to run. It differs from the spec's only after a rollback.
    pub target: StorePath,
    /// The last system that all nodes proved themselves with.
    pub good: Option<StorePath>,
    /// The one that all had proved themselves with before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<StorePath>,
    /// The rollout under way, or the last one.
    pub rollout: Rollout,
    /// The version at which its declaration or its rollout changed last; steps that were decided before are refused.
    #[serde(default)]
    pub basis: u64,
    /// Its nodes that have been asked for a system.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<Name, BaseNode>,
    /// The rollouts before, newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub past: VecDeque<RolloutEntry>,
}

/// How far a node is with the system that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseNode {
    /// The system.
    pub system: StorePath,
    /// When it was asked for it, in milliseconds since 1970.
    pub asked: u64,
    /// When it last went on, in milliseconds since 1970.
    pub since: u64,
    /// Whether its replicas are to leave, so that it can be restarted.
    #[serde(default)]
    pub draining: bool,
    /// Whether it was drained for that alone, and is to take replicas again after.
    #[serde(default)]
    pub uncordon: bool,
    /// Whether it may be restarted.
    #[serde(default)]
    pub drained: bool,
    /// Whether it runs the system and has proved itself.
    #[serde(default)]
    pub proven: bool,
    /// Whether it stays as it is until the base gets another system.
    #[serde(default)]
    pub held: bool,
}

impl BaseRecord {
    /// How many past rollouts of a base are told of.
    const PAST: usize = 20;

    /// The record of a base whose nodes are to run a system for the first time.
    pub(super) fn first(base: &Base, system: &StorePath, at: u64) -> Self {
        let to = Revision::of(system);
        Self {
            systems: BTreeMap::from([(to, system.clone())]),
            target: system.clone(),
            good: None,
            previous: None,
            rollout: Rollout::start(None, to, first_phase(base), at),
            basis: 0,
            nodes: BTreeMap::new(),
            past: VecDeque::new(),
        }
    }

    /// The revision of the target.
    pub fn revision(&self) -> Revision {
        Revision::of(&self.target)
    }

    /// The systems that it has gone back from: none of its nodes is to go back to these.
    pub(super) fn given_up(&self) -> BTreeSet<Revision> {
        let failed =
            |state| matches!(state, RolloutState::Failed | RolloutState::RollingBack | RolloutState::RolledBack);
        let past = self.past.iter().map(|entry| (entry.to, entry.state));
        let all = past.chain([(self.rollout.to, self.rollout.state)]);
        all.filter(|(_, state)| failed(*state)).map(|(to, _)| to).collect()
    }

    /// Takes up what the spec in force now says; `before` is what the last one said. True if a rollout starts.
    ///
    /// A system that failed is tried again only if the declaration has changed.
    pub(super) fn declare(&mut self, before: Option<&Base>, base: &Base, system: &StorePath, at: u64) -> bool {
        let to = Revision::of(system);
        let has_failed = self.rollout.to == to
            && matches!(
                self.rollout.state,
                RolloutState::Failed | RolloutState::RollingBack | RolloutState::RolledBack
            );
        let starts = if has_failed { before != Some(base) } else { self.rollout.to != to || self.target != *system };
        if !starts {
            return false;
        }
        let from = match &self.good {
            Some(good) if good != system => Some(Revision::of(good)),
            _ if self.target != *system => Some(self.revision()),
            _ => self.rollout.from,
        };
        self.past.push_back(self.rollout.entry(Some(at)));
        while self.past.len() > Self::PAST {
            self.past.pop_front();
        }
        self.rollout = Rollout::start(from, to, first_phase(base), at);
        self.target = system.clone();
        self.systems.insert(to, system.clone());
        for node in self.nodes.values_mut() {
            node.held = false;
        }
        self.forget();
        true
    }

    /// Forgets systems that nothing speaks of any more.
    fn forget(&mut self) {
        let named = [Some(&self.target), self.good.as_ref(), self.previous.as_ref()];
        let mut kept: Vec<Revision> = named.into_iter().flatten().map(Revision::of).collect();
        kept.extend(self.past.iter().flat_map(|entry| entry.from.into_iter().chain([entry.to])));
        kept.extend(self.rollout.from.into_iter().chain([self.rollout.to]));
        kept.extend(self.nodes.values().map(|node| Revision::of(&node.system)));
        self.systems.retain(|revision, _| kept.contains(revision));
    }
}

/// What a rollout begins with.
fn first_phase(base: &Base) -> RolloutPhase {
    if base.update().kind == Strategy::Rolling { RolloutPhase::Rolling } else { RolloutPhase::Trial }
}
