use std::collections::{BTreeMap, BTreeSet};

use icefield_search as search;

use super::backtrack;
use super::id::{ReplicaKey, ServiceId};
use super::improve::carry_out;
use super::lower::{Purpose, lower};
use super::settle::Departures;
use super::state::State;

/// How many changes are considered for each replica and node, to find room where none was found at once.
const STEPS: u64 = 100;

/// Where there is more than this, what found no room has to wait for some: a search would take longer than a decision
/// may.
const MOST_REPLICAS: usize = 5_000;
const MOST_NODES: usize = 500;

/// Why something that runs is moved for it.
pub(super) const REASON: &str = "makes room for others";

/// Places what is nowhere because of what else is where, by moving that; what runs is moved as little as can be. Says
/// whether anything was.
pub(super) fn fit(state: &mut State, departures: &mut Departures) -> bool {
    let services = state.world.services.iter();
    let replicas: usize = services.map(|service| service.replicas.len()).sum();
    if replicas > MOST_REPLICAS || state.world.order().len() > MOST_NODES {
        return false;
    }
    let missing = to_be_fitted(state, departures);
    !missing.is_empty() && (search_for_room(state, departures) || try_all(state, &missing, departures))
}

fn search_for_room(state: &mut State, departures: &mut Departures) -> bool {
    let Some(lowered) = lower(state, Purpose::Fit) else { return false };
    let Ok(start) = search::State::new(&lowered.problem, &lowered.layout).map(|start| start.cost()) else {
        return false;
    };
    let steps = STEPS * (lowered.replicas.len() + lowered.nodes.len()) as u64;
    let effort = search::Effort { seed: 0, threads: 1, steps: Some(steps), stop: &|| false, spent: None };
    let Ok(found) = search::improve(&lowered.problem, &lowered.layout, &effort, &mut |_| ()) else { return false };
    if found.cost.unplaced >= start.unplaced {
        return false;
    }
    let layout = first_come(&lowered.problem, found.assignment);
    carry_out(state, &lowered, &layout, departures, REASON)
}

/// First with what is placed only now, then with what runs too.
fn try_all(state: &mut State, missing: &[ReplicaKey], departures: &mut Departures) -> bool {
    let (mut new, mut running) = (Vec::new(), Vec::new());
    for service in (0..state.world.services.len()).map(ServiceId::new) {
        for replica in state.world.service(service).replicas.iter().filter(|replica| replica.spot.is_some()) {
            let key = ReplicaKey { service, index: replica.index };
            let tied = state.world.group_of(key).is_none_or(|group| group.demand.ties.contains_key(&key.index));
            match replica.home {
                _ if tied => {}
                None => new.push(key),
                Some(_) => running.push(key),
            }
        }
    }
    if backtrack::place_all(state, missing, &new) {
        return true;
    }
    if running.is_empty() {
        return false;
    }
    let before: Vec<_> = running.iter().map(|key| (*key, state.spot(*key).map(|spot| spot.node))).collect();
    new.extend(running);
    if !backtrack::place_all(state, missing, &new) {
        return false;
    }
    for (key, node) in before {
        if state.spot(key).map(|spot| spot.node) != node {
            departures.entry(key).or_insert_with(|| REASON.to_owned());
        }
    }
    true
}

/// `layout` with the places of new replicas that are alike given to those with the lowest indexes.
fn first_come(problem: &search::Problem, mut layout: Vec<Option<u32>>) -> Vec<Option<u32>> {
    let mut alike: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, replica) in problem.replicas.iter().enumerate().filter(|(_, replica)| replica.start.is_none()) {
        alike.entry(replica.kind).or_default().push(at);
    }
    for replicas in alike.into_values() {
        let mut nodes: Vec<Option<u32>> = replicas.iter().map(|at| layout[*at]).collect();
        // A stable sort: those that have a place keep their order.
        nodes.sort_by_key(Option::is_none);
        for (at, node) in replicas.into_iter().zip(nodes) {
            layout[at] = node;
        }
    }
    layout
}

/// What is nowhere only because of what else is where.
fn to_be_fitted(state: &State, departures: &Departures) -> Vec<ReplicaKey> {
    let nowhere = state.agenda.homeless.iter().chain(departures.keys()).filter(|key| state.spot(**key).is_none());
    let nowhere: BTreeSet<ReplicaKey> = nowhere.copied().collect();
    let to_be_fitted = nowhere.into_iter().filter(|key| {
        let group = state.world.group_of(*key);
        group.is_some_and(|group| group.is_to_be_fitted(state, key.index))
    });
    to_be_fitted.collect()
}
