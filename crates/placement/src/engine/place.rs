use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::Group;
use super::id::{NodeId, ReplicaKey, ServiceId};
use super::preempt;
use super::queue::{Queue, best_of};
use super::settle::{Departures, abandoned};
use super::state::State;
use super::urgency::{Choices, Urgency};
use crate::rules::Binds;

/// Up to so many alike replicas, looking at every node for each is cheaper than to bring the nodes into order.
const FEW: usize = 2;

/// How often what depends on other services is placed again because those have moved.
const ROUNDS: usize = 4;

/// Places what is nowhere, group by group; what is in the way of something of higher priority leaves, with a note why.
pub(crate) fn place(state: &mut State, departures: &mut Departures) {
    let mut following: BTreeSet<ServiceId> = state.agenda.services.clone();
    for _ in 0..ROUNDS {
        let nowhere = state.agenda.homeless.iter().chain(departures.keys()).copied();
        let pending = nowhere.filter(|key| state.spot(*key).is_none()).collect();
        place_all(state, pending, departures);
        for key in departures.keys() {
            following.extend(&state.world.service(key.service).followers);
        }
        if !abandoned(state, &following, departures) {
            break;
        }
    }
}

/// What is said of a replica that leaves for one that is more urgent, before that one's service.
pub(super) const GIVES_WAY: &str = "gives way to ";

fn place_all(state: &mut State, pending: BTreeSet<ReplicaKey>, departures: &mut Departures) {
    let mut groups: BTreeMap<(ServiceId, u32), Vec<u32>> = BTreeMap::new();
    let mut order: BTreeSet<(Urgency, ServiceId, u32)> = BTreeSet::new();
    let mut choices = Choices::default();
    let mut add = |state: &State, order: &mut BTreeSet<_>, groups: &mut BTreeMap<_, Vec<u32>>, key: ReplicaKey| {
        let service = state.world.service(key.service);
        let Some(group) = service.replica(key.index).map(|replica| replica.group) else { return };
        let indexes = groups.entry((key.service, group)).or_insert_with(|| {
            order.insert((Urgency::new(state, &service.groups[group as usize], &mut choices), key.service, group));
            Vec::new()
        });
        indexes.push(key.index);
    };
    for key in pending {
        add(state, &mut order, &mut groups, key);
    }
    let (mut hopeful, mut any_gone) = (Vec::new(), false);
    while let Some((_, service, at)) = order.pop_first() {
        let Some(mut indexes) = groups.remove(&(service, at)) else { continue };
        indexes.sort_unstable();
        let group = Arc::clone(&state.world.service(service).groups[at as usize]);
        let left = place_group(state, &group, indexes);
        if left.is_empty() {
            continue;
        }
        hopeful.push((Arc::clone(&group), left.clone()));
        if !state.has_lower_than(group.demand.priority) {
            continue;
        }
        for victim in preempt::make_room(state, &group, left) {
            any_gone = true;
            let reason = format!("{GIVES_WAY}{}", state.world.service(service).name);
            departures.entry(victim).or_insert(reason);
            add(state, &mut order, &mut groups, victim);
        }
    }
    if !any_gone {
        let may_change =
            |group: &Group| group.hard.iter().any(|rule| rule.may_return() || rule.binds() == Binds::Settled);
        hopeful.retain(|(group, _)| may_change(group));
    }
    place_late(state, hopeful);
}

/// Places those whose way has become free since, by what came or by what went, until nothing changes any more.
fn place_late(state: &mut State, mut groups: Vec<(Arc<Group>, Vec<u32>)>) {
    let mut any = true;
    while std::mem::take(&mut any) {
        for (group, indexes) in &mut groups {
            indexes.retain(|index| state.spot(ReplicaKey { service: group.service, index: *index }).is_none());
            let before = indexes.len();
            if before > 0 {
                *indexes = place_group(state, group, std::mem::take(indexes));
                any |= indexes.len() < before;
            }
        }
    }
}

/// Gives back the indexes that found no place.
fn place_group(state: &mut State, group: &Arc<Group>, indexes: Vec<u32>) -> Vec<u32> {
    for rule in &group.hard {
        rule.prepare(state);
    }
    let key = |index: u32| ReplicaKey { service: group.service, index };
    let (tied, free): (Vec<u32>, Vec<u32>) =
        indexes.into_iter().partition(|index| group.demand.ties.contains_key(index));
    let mut left = Vec::new();
    for index in tied {
        match tie_of(state, group, index).filter(|node| group.admitted(state, *node)) {
            Some(node) => state.put(key(index), node, &[]),
            None => left.push(index),
        }
    }
    let mut free = free.into_iter();
    if free.len() <= FEW {
        while let Some(node) = (free.len() > 0).then(|| best_of(state, group)).flatten() {
            state.put(key(free.next().unwrap_or_default()), node, &[]);
        }
    } else {
        let mut queue = Queue::new(state, group);
        // The group's replicas are alike: where one fits nowhere, none does.
        while let Some(node) = (free.len() > 0).then(|| queue.best(state)).flatten() {
            state.put(key(free.next().unwrap_or_default()), node, &[]);
            queue.used_best(state);
        }
    }
    left.extend(free);
    left
}

/// The node that a replica is tied to, if it is there.
pub(super) fn tie_of(state: &State, group: &Group, index: u32) -> Option<NodeId> {
    state.world.node_called(group.demand.ties.get(&index)?)
}
