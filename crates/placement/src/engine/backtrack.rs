use std::cmp::Reverse;

use super::group::Group;
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
        let lingers = was.as_ref().map(|spot| spot.node).filter(|node| state.linger_if_home(*key, *node));
        tried.push(Tried { key: *key, was, lingers, choice: 0, size: 0 });
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
    /// The node that it leaves unless it comes back to it: until then it needs there what is needed on both ends of a move.
    lingers: Option<NodeId>,
    choice: usize,
    size: i64,
}

/// Places `tried[at..]`; `before` is the node that the one before was put on.
fn place_from(state: &mut State, tried: &[Tried], at: usize, before: Option<NodeId>, trials: &mut usize) -> bool {
    let Some(one) = tried.get(at) else { return true };
    let Some(group) = state.world.group_of(one.key).cloned() else { return false };
    let mut nodes = candidates(state, &group, one);
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
        if one.lingers == Some(node) {
            state.stop_lingering(one.key, node);
        }
        // With the ports that it had: else it would have to start anew.
        state.put(one.key, node, is_back(node).map_or(&[], |was| &was.ports));
        if place_from(state, tried, at + 1, Some(node), trials) {
            return true;
        }
        state.take_back_to(mark);
    }
    false
}

/// The nodes that admit it, the one that it lingers on as if it did not.
fn candidates(state: &mut State, group: &Group, one: &Tried) -> Vec<NodeId> {
    let mark = state.mark();
    if let Some(node) = one.lingers {
        state.stop_lingering(one.key, node);
    }
    let nodes = group.candidates(state, true);
    state.take_back_to(mark);
    nodes
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Condition, Cpu};

    use super::*;
    use crate::examples::{three, with};
    use crate::fleet::name;

    #[test]
    fn what_comes_back_needs_nothing_twice() {
        let mut fleet = three();
        fleet.objective.transient.insert("memory".into());
        let on = |disk: &str, cores: u64, gib: u64| {
            let mut demand = with(|demand| drop(demand.rules.require.insert("disk".into(), Condition::one_of([disk]))));
            (demand.cpu, demand.memory) = (Cpu::from_millis(cores * 1000), Bytes::new(gib << 30));
            demand
        };
        // n1 has no room for a second of these, and n2 has room for the last one alone.
        let (stays, comes) = (on("ssd", 1, 6), on("hdd", 4, 1));
        fleet.add_service("stays", [stays]).put("stays/0", "n1", "one", &[]);
        fleet.add_service("goes", [with(|_| ())]).put("goes/0", "n2", "one", &[]);
        fleet.add_service("comes", [comes]);
        let mut state = fleet.engine().build();
        state.begin();
        let key = |service| ReplicaKey { service: state.world.service_called(&name(service)).unwrap(), index: 0 };
        let (stays, goes, comes) = (key("stays"), key("goes"), key("comes"));
        assert!(place_all(&mut state, &[comes], &[stays, goes]));
        let node = |key| state.spot(key).map(|spot| state.world.name(spot.node).as_str());
        assert_eq!([node(stays), node(goes), node(comes)], [Some("n1"), Some("n1"), Some("n2")]);
    }
}
