use std::collections::BTreeMap;

use icefield_search as search;

use super::improve::carry_out;
use super::lower::{Purpose, lower};
use super::settle::Departures;
use super::state::State;

/// How many changes are considered to find room where none was found at once.
const STEPS: u64 = 200_000;

/// Where there is more than this, what found no room has to wait for some: a search would take longer than a decision
/// may.
const MOST_REPLICAS: usize = 5_000;
const MOST_NODES: usize = 500;

/// Places what is nowhere because of what else is where, by moving that; what runs is moved as little as can be.
pub(super) fn fit(state: &mut State, departures: &mut Departures) {
    let services = state.world.services.iter();
    let replicas: usize = services.map(|service| service.replicas.len()).sum();
    if replicas > MOST_REPLICAS || state.world.order().len() > MOST_NODES || !any_to_be_fitted(state, departures) {
        return;
    }
    let Some(lowered) = lower(state, Purpose::Fit) else { return };
    let Ok(start) = search::State::new(&lowered.problem, &lowered.layout).map(|start| start.cost()) else { return };
    if start.unplaced == 0 {
        return;
    }
    let effort = search::Effort { seed: 0, threads: 1, steps: Some(STEPS), stop: &|| false, spent: None };
    let Ok(found) = search::improve(&lowered.problem, &lowered.layout, &effort, &mut |_| ()) else { return };
    if found.cost.unplaced < start.unplaced {
        let layout = first_come(&lowered.problem, found.assignment);
        carry_out(state, &lowered, &layout, departures, "makes room for others");
    }
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

fn any_to_be_fitted(state: &State, departures: &Departures) -> bool {
    let nowhere = state.agenda.homeless.iter().chain(departures.keys()).filter(|key| state.spot(**key).is_none());
    nowhere.into_iter().any(|key| {
        let group = state.world.group_of(*key);
        group.is_some_and(|group| group.is_to_be_fitted(state, key.index))
    })
}
