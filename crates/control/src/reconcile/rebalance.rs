use super::kept::Kept;
use super::possible::Possible;
use crate::observe::Observations;
use crate::state::RebalanceStep;
use crate::{Command, State};

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
    // A singleton would be nowhere for a while; that is not worth it.
    let left: Vec<_> = rebalance.left.iter().filter(|change| !state.is_singleton(&change.replica)).cloned().collect();
    let possible = Possible::new(state, seen, kept, &left, now);
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
