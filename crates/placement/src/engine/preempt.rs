use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::group::Group;
use super::id::{NodeId, ReplicaKey};
use super::place::tie_of;
use super::state::State;

/// What pushing replicas off a node does: the less, the better.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Harm {
    /// The highest priority of those that go.
    priority: i32,
    replicas: usize,
    /// What they use of the node together, in millionths.
    share: i64,
}

/// Places replicas of `group` where others of lower priority must go for it, with the least harm; gives back who went.
pub(super) fn make_room(state: &mut State, group: &Group, indexes: Vec<u32>) -> Vec<ReplicaKey> {
    let mut gone = Vec::new();
    let mut free = Vec::new();
    for index in indexes {
        match tie_of(state, group, index) {
            Some(node) => gone.extend(push_off(state, group, index, node).unwrap_or_default()),
            None if group.demand.ties.contains_key(&index) => {}
            None => free.push(index),
        }
    }
    let mut free = free.into_iter().peekable();
    if free.peek().is_none() {
        return gone;
    }
    let mut nodes: Vec<NodeId> = state.world.open().to_vec();
    for rule in group.hard.iter().filter(|rule| !rule.yields() && !rule.may_return()) {
        rule.strike(state, &mut nodes);
    }
    // Nodes that refuse for another reason than what is there may take some once others have got theirs.
    let mut later = nodes;
    while !later.is_empty() {
        let before = free.len();
        let mut heap: BinaryHeap<Reverse<(Harm, u32)>> = BinaryHeap::new();
        let mut refused = Vec::new();
        for node in later {
            match harm(state, group, node) {
                Some(harm) => heap.push(Reverse((harm, state.world.rank(node)))),
                None => refused.push(node),
            }
        }
        while let (Some(Reverse((stored, rank))), Some(index)) = (heap.pop(), free.peek().copied()) {
            let node = state.world.order()[rank as usize];
            match harm(state, group, node) {
                None => refused.push(node),
                Some(true_harm) if true_harm > stored => heap.push(Reverse((true_harm, rank))),
                Some(_) => {
                    gone.extend(push_off(state, group, index, node).unwrap_or_default());
                    free.next();
                    match harm(state, group, node) {
                        Some(harm) => heap.push(Reverse((harm, rank))),
                        None => refused.push(node),
                    }
                }
            }
        }
        if free.len() == before || free.len() == 0 {
            break;
        }
        later = refused;
    }
    gone
}

/// What it would do to place one more on `node`; `None` if nothing that may go is in the way.
fn harm(state: &mut State, group: &Group, node: NodeId) -> Option<Harm> {
    let mark = state.mark();
    let victims = victims(state, group, node);
    let harm = victims.map(|victims| {
        let of = |key: &ReplicaKey| state.world.group_of(*key);
        Harm {
            priority: victims.iter().filter_map(|key| Some(of(key)?.demand.priority)).max().unwrap_or(i32::MIN),
            replicas: victims.len(),
            share: victims.iter().filter_map(|key| Some(of(key)?.share_of(&state.world, node))).sum(),
        }
    });
    state.take_back_to(mark);
    harm
}

fn push_off(state: &mut State, group: &Group, index: u32, node: NodeId) -> Option<Vec<ReplicaKey>> {
    let mark = state.mark();
    let Some(victims) = victims(state, group, node) else {
        state.take_back_to(mark);
        return None;
    };
    state.put(ReplicaKey { service: group.service, index }, node, &[]);
    Some(victims)
}

/// Takes as few replicas of lower priority off `node` as it takes for one of `group` to be admitted, the lowest first.
fn victims(state: &mut State, group: &Group, node: NodeId) -> Option<Vec<ReplicaKey>> {
    let order = |state: &State, key: &ReplicaKey| {
        let of = state.world.group_of(*key)?;
        let lower = of.demand.priority < group.demand.priority;
        lower.then(|| (of.demand.priority, Reverse(of.share_of(&state.world, node)), Reverse(key.index), *key))
    };
    let mut lower: Vec<_> = state.on_node(node).iter().filter_map(|key| order(state, key)).collect();
    lower.sort_unstable_by(|a, b| {
        let name = |key: &ReplicaKey| &state.world.service(key.service).name;
        (a.0, a.1, a.2, name(&a.3)).cmp(&(b.0, b.1, b.2, name(&b.3)))
    });
    let mut taken = Vec::new();
    for (.., key) in lower {
        if group.admitted(state, node) {
            break;
        }
        taken.extend(state.take_away(key).map(|spot| (key, spot)));
    }
    if !group.admitted(state, node) {
        return None;
    }
    // Some may have gone for nothing: those that matter most come back first.
    let mut victims = Vec::new();
    for (key, spot) in taken.into_iter().rev() {
        state.put_as_is(key, spot.clone());
        if !group.admitted(state, node) {
            state.take_away(key);
            state.linger_if_home(key, node);
            victims.push(key);
        }
    }
    group.admitted(state, node).then_some(victims)
}

#[cfg(test)]
mod tests {
    use icefield_spec::Cpu;
    use insta::assert_snapshot;

    use crate::examples::{solved, three, with};

    #[test]
    fn lower_priorities_give_way_with_the_least_harm() {
        let mut fleet = three();
        let sized = |priority, count: u32, cpu| {
            with(|demand| {
                (demand.priority, demand.indexes) = (priority, (0..count).collect());
                demand.cpu = Cpu::from_millis(cpu);
            })
        };
        fleet.add_service("low", [sized(0, 2, 2000)]).add_service("mid", [sized(5, 3, 1800)]);
        fleet.add_service("tiny", [sized(0, 2, 200)]);
        fleet.put("low/0", "n1", "one", &[]).put("low/1", "n2", "one", &[]).put("tiny/0", "n1", "one", &[]);
        fleet.put("mid/0", "n1", "one", &[]).put("mid/1", "n2", "one", &[]).put("mid/2", "n3", "one", &[]);
        fleet.put("tiny/1", "n3", "one", &[]);
        fleet.add_service("high", [sized(10, 2, 2000)]);
        assert_snapshot!(solved(&fleet), @"
        high/0 → n3: new replica
        high/1 → n1: new replica
        low/0 leaves n1: gives way to high, and no other node can take it
        low/0 nowhere:
          cpu excludes 3 (n1 n2 n3): free 1800m cpu on n2, or add a node like n2
        ");
    }
}
