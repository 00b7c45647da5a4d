use std::collections::BTreeMap;

use icefield_placement::{Change, ChangeKind, ReplicaId};
use icefield_spec::Name;

use super::kept::Kept;
use super::standing::{Known, Standing};
use crate::State;
use crate::observe::Observations;

/// The moves that could be made now, as far as the health of services goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Possible {
    basis: u64,
    moves: Vec<Move>,
    /// How many replicas of each service may be taken down.
    allowed: BTreeMap<Name, u32>,
    /// Whether there are others that may become possible with time.
    pub(super) waits: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Move {
    change: Change,
    /// Whether the replica serves where it is now.
    serves: bool,
}

impl Possible {
    /// Which of `changes` could be made now.
    pub(super) fn new(state: &State, seen: &Observations, kept: &Kept, changes: &[Change], now: u64) -> Self {
        let mut possible = Self { basis: state.basis, ..Self::default() };
        for change in changes {
            match possible.judge(state, seen, kept, change, now) {
                Some(change) => possible.moves.push(change),
                None => possible.waits = true,
            }
        }
        possible
    }

    /// `None` if it must wait.
    fn judge(&mut self, state: &State, seen: &Observations, kept: &Kept, change: &Change, now: u64) -> Option<Move> {
        let (name, index) = (&change.replica.service, change.replica.index);
        let service = state.spec.as_deref()?.services.get(name)?;
        let record = state.services.get(name)?;
        if record.rollout.is_under_way() && !record.rollout.rests() {
            return None;
        }
        let (max_unavailable, healthy_for) = (service.update.max_unavailable, service.update.healthy_for);
        let standing = |index| Known::new(state, seen, ReplicaId::new(name.clone(), index), healthy_for, now).standing;
        let allowed = *self.allowed.entry(name.clone()).or_insert_with(|| {
            let indexes = kept.wanted().own(name, service, record).into_iter();
            let unproven = indexes.filter(|index| standing(*index) != Standing::Proven).count();
            max_unavailable.max(1).saturating_sub(u32::try_from(unproven).unwrap_or(u32::MAX))
        });
        let serves = match standing(index) {
            // Nothing is lost by moving it.
            Standing::Down | Standing::Nowhere => false,
            Standing::Healthy | Standing::Proven if allowed > 0 => true,
            Standing::Healthy | Standing::Proven | Standing::Unknown => return None,
        };
        let mut change = change.clone();
        if let ChangeKind::Place { to } | ChangeKind::Move { to, .. } = &mut change.kind {
            // Only where it goes was decided; it may have been given another revision since.
            to.revision = state.placed.get(&change.replica).map_or(record.target, |current| current.revision);
        }
        Some(Move { change, serves })
    }

    /// Moves that lead to a right placement: the first ones all at once if they do, else one by one.
    pub(super) fn step(self, state: &State, kept: &mut Kept) -> Vec<Change> {
        let mut allowed = self.allowed.clone();
        let first = self.moves.iter().filter(|one| one.take(&mut allowed)).map(|one| one.change.clone());
        if let Some(changes) = kept.fitting(state, &first.collect::<Vec<_>>()) {
            return changes;
        }
        let (mut allowed, mut step) = (self.allowed, Vec::new());
        for one in self.moves {
            let mut left = allowed.clone();
            if !one.take(&mut left) {
                continue;
            }
            step.push(one.change);
            match kept.fitting(state, &step) {
                Some(fitting) => (step, allowed) = (fitting, left),
                None => drop(step.pop()),
            }
        }
        step
    }
}

impl Move {
    /// Whether it may be made, given how many replicas may be taken down; if so it is counted.
    fn take(&self, allowed: &mut BTreeMap<Name, u32>) -> bool {
        match allowed.get_mut(&self.change.replica.service) {
            _ if !self.serves => true,
            Some(allowed) if *allowed > 0 => {
                *allowed -= 1;
                true
            }
            _ => false,
        }
    }
}
