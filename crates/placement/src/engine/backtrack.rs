use std::cmp::Reverse;

use super::id::{NodeId, ReplicaKey};
use super::improve::is_content;
use super::service::Spot;
use super::state::State;

/// With more replicas than this to be tried in all places, there is no end to it.
const MOST_REPLICAS: usize = 40;

/// How often a replica is put somewhere on trial.
const TRIALS: usize = 5_000;

/// Places every one of `missing` by trying all ways to place what `may_move` as well; leaves the state as it is if none
/// is found in time. Where there is little of everything, that is before long.
pub(super) fn place_all(state: &mut State, missing: &[ReplicaKey], may_move: &[ReplicaKey]) -> bool {
    if missing.len() + may_move.len() > MOST_REPLICAS {
        return false;
    }
    let mark = state.mark();
    let mut tried: Vec<Tried> = Vec::new();
    for key in missing.iter().chain(may_move) {
        let was = state.take_away(*key);
        if let Some(spot) = &was {
            state.linger_if_home(*key, spot.node);
        }
        tried.push(Tried { key: *key, was, choice: 0, size: 0 });
    }
    for one in &mut tried {
        let Some(group) = state.world.group_of(one.key) else { continue };
        let tied = group.demand.ties.contains_key(&one.key.index);
        one.choice = if tied { 1 } else { group.candidates(state, false).len() };
        one.size = state.world.typical_share(&group.need);
    }
    // What has little choice first; alike ones one after the other.
    let name = |one: &Tried| state.world.service(one.key.service).name.clone();
    tried.sort_by_key(|one| (one.choice, Reverse(one.size), name(one), one.key.index));
    let mut trials = TRIALS;
    // What came later may have left an earlier one in bad company.
    let placed = place_from(state, &tried, 0, None, &mut trials) && tried.iter().all(|one| is_content(state, one.key));
    if !placed {
        state.take_back_to(mark);
    }
    placed
}

/// A replica that is to be placed anywhere.
struct Tried {
    key: ReplicaKey,
    /// Where it was, if it was anywhere.
    was: Option<Spot>,
    choice: usize,
    size: i64,
}

/// Places `tried[at..]`; `before` is the node that the one before was put on.
fn place_from(state: &mut State, tried: &[Tried], at: usize, before: Option<NodeId>, trials: &mut usize) -> bool {
    let Some(one) = tried.get(at) else { return true };
    let Some(group) = state.world.group_of(one.key).cloned() else { return false };
    let mut nodes = group.candidates(state, true);
    if let Some(tie) = group.tied_to(state, one.key.index) {
        nodes.retain(|node| *node == tie);
    }
    // Of those that are alike and new, the order makes no difference.
    let alike = |other: &Tried| {
        let same = state.world.group_of(other.key).is_some_and(|of| std::sync::Arc::ptr_eq(of, &group));
        let free = |key: ReplicaKey| !group.demand.ties.contains_key(&key.index);
        same && other.was.is_none() && one.was.is_none() && free(one.key) && free(other.key)
    };
    if at > 0 && alike(&tried[at - 1]) {
        nodes.retain(|node| before.is_none_or(|before| state.world.rank(*node) >= state.world.rank(before)));
    }
    // What was somewhere is best left there.
    let is_back = |node: NodeId| one.was.as_ref().filter(|was| was.node == node);
    nodes.sort_by_key(|node| is_back(*node).is_none());
    for node in nodes {
        if *trials == 0 {
            return false;
        }
        *trials -= 1;
        let mark = state.mark();
        // With the ports that it had: else it would have to start anew.
        state.put(one.key, node, is_back(node).map_or(&[], |was| &was.ports));
        if place_from(state, tried, at + 1, Some(node), trials) {
            return true;
        }
        state.take_back_to(mark);
    }
    false
}
