use std::collections::BTreeMap;

use icefield_placement::{Change, ChangeKind, ReplicaId};
use icefield_spec::{Name, Update};

use super::kept::Kept;
use super::standing::{Known, Standing};
use crate::observe::Observations;
use crate::state::{Rebalance, RebalanceStep};
use crate::{Command, State};

/// The moves that could be made now, as far as the health of services goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Possible {
    basis: u64,
    moves: Vec<Move>,
    /// How many replicas of each service may be taken down.
    allowed: BTreeMap<Name, u32>,
    /// Whether there are others that may become possible with time.
    waits: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Move {
    change: Change,
    /// Whether the replica serves where it is now.
    serves: bool,
}

/// The next moves of the rebalancing that is under way, if any can be made now; `tried` is what was possible the last
/// time, so that the same is not tried again.
///
/// The rules: a replica that serves is moved only if then no more than `max_unavailable` of its service do not serve,
/// and one that has been moved serves once it has proved itself; so as in a rollout, which comes first where there is
/// one. Every step leads to a placement that is right as it is, with the ports that are free then. What can never be
/// moved that way is given up.
pub(super) fn due(
    state: &State,
    seen: &Observations,
    kept: &mut Kept,
    tried: &mut Possible,
    now: u64,
) -> Option<Command> {
    let rebalance = state.rebalance.as_ref()?;
    let possible = Possible::new(state, seen, kept, rebalance, now);
    if *tried == possible {
        return None;
    }
    tried.clone_from(&possible);
    let waits = possible.waits;
    let changes = possible.step(state, kept);
    if !changes.is_empty() {
        return Some(Command::Place { at: now, seen: state.version, changes });
    }
    let reason = "there is no room to move them one after the other";
    (!waits).then(|| Command::Rebalance { at: now, step: RebalanceStep::End { reason: reason.into() } })
}

impl Possible {
    fn new(state: &State, seen: &Observations, kept: &Kept, rebalance: &Rebalance, now: u64) -> Self {
        let mut possible = Self { basis: state.basis, ..Self::default() };
        for change in &rebalance.left {
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
        if record.rollout.is_under_way() {
            return None;
        }
        let Update::Rolling { max_unavailable, healthy_for, .. } = service.update;
        let standing = |index| Known::new(state, seen, ReplicaId::new(name.clone(), index), healthy_for, now).standing;
        let allowed = *self.allowed.entry(name.clone()).or_insert_with(|| {
            let indexes = kept.wanted().indexes(name, service).into_iter();
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
    fn step(self, state: &State, kept: &mut Kept) -> Vec<Change> {
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
