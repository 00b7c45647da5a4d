use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;

use icefield_search as search;

use super::id::{NodeId, ReplicaKey, ServiceId};
use super::lower::{Lowered, Purpose, lower};
use super::service::Spot;
use super::settle::Departures;
use super::state::State;
use crate::rules::POINT;
use crate::{Change, Unplaced};

/// How long and how hard to look for a better placement.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// What the chances of the search depend on.
    pub seed: u64,
    /// How many threads look.
    pub threads: usize,
    /// How many changes to consider at most; `None`: until told to stop. With steps and one thread, the result depends
    /// on nothing but what the engine was fed.
    pub steps: Option<u64>,
    /// How many replicas may move at most.
    pub moves: Option<usize>,
    /// Whether to stop; asked often, by each thread.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// How much of the time is spent, from 0 to 1, where that is known: then the search comes to rest at its end.
    pub spent: Option<&'a (dyn Fn() -> f64 + Sync)>,
}

impl fmt::Debug for Effort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, threads, steps, moves, .. } = self;
        let mut shown = f.debug_struct("Effort");
        shown.field("seed", seed).field("threads", threads).field("steps", steps).field("moves", moves);
        shown.finish_non_exhaustive()
    }
}

/// What a whole placement costs, moves included, in billionths of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cost(pub i64);

impl Cost {
    /// In points.
    pub fn points(self) -> f64 {
        self.0 as f64 / POINT as f64
    }
}

/// How far a search has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What the best placement so far costs.
    pub cost: Cost,
    /// How many changes were considered.
    pub steps: u64,
}

/// A better placement, if there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Improvement {
    /// What must change for it, by service and index: also what [`Engine::solve`](crate::Engine::solve) would change.
    pub changes: Vec<Change>,
    /// What fits nowhere.
    pub unplaced: Vec<Unplaced>,
    /// What the placement costs as the engine would leave it by itself.
    pub before: Cost,
    /// What it costs then.
    pub after: Cost,
    /// How many changes were considered.
    pub steps: u64,
}

/// What became of the cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gain {
    pub(super) before: Cost,
    pub(super) after: Cost,
    pub(super) steps: u64,
}

/// Moves what is placed to where it is better, as far as `effort` goes; notes why.
pub(super) fn improve(
    state: &mut State,
    effort: &Effort<'_>,
    departures: &mut Departures,
    progress: &mut dyn FnMut(&Progress),
) -> Gain {
    let Some(lowered) = lower(state, Purpose::Improve) else { return Gain::default() };
    let Lowered { problem, layout, unit, .. } = &lowered;
    let cost = |cost: search::Cost| Cost(cost.amount.saturating_mul(*unit));
    let Ok(before) = search::State::new(problem, layout).map(|start| cost(start.cost())) else {
        return Gain::default();
    };
    let unchanged = Gain { before, after: before, steps: 0 };
    let search = search::Effort {
        seed: effort.seed,
        threads: effort.threads,
        steps: effort.steps,
        stop: effort.stop,
        spent: effort.spent,
    };
    let mut tell = |seen: &search::Progress| progress(&Progress { cost: cost(seen.cost), steps: seen.steps });
    let Ok(found) = search::improve(problem, layout, &search, &mut tell) else { return unchanged };
    let most = effort.moves.unwrap_or(usize::MAX);
    let Some((better, after)) = pruned(problem, layout, &found.assignment, most) else {
        return Gain { steps: found.steps, ..unchanged };
    };
    let after = cost(after);
    if after < before && carry_out(state, &lowered, &better, departures, "it is better placed there") {
        return Gain { before, after, steps: found.steps };
    }
    Gain { steps: found.steps, ..unchanged }
}

/// `better` without the moves that gain nothing, and without those that gain least, until at most so many are left; with
/// its cost. `None` if it cannot come down to so few.
fn pruned(
    problem: &search::Problem,
    layout: &[Option<u32>],
    better: &[Option<u32>],
    most: usize,
) -> Option<(Vec<Option<u32>>, search::Cost)> {
    let mut state = search::State::new(problem, better).ok()?;
    let moved = (0..).zip(layout.iter().zip(better)).filter(|(_, (before, after))| before != after);
    let mut homes: BTreeMap<u32, u32> = moved.filter_map(|(at, (before, _))| Some((at, (*before)?))).collect();
    let mut moves = homes.len();
    // A way back may open, or become cheaper, when another one is taken; so the rounds.
    loop {
        let priced = homes.iter().filter_map(|(at, home)| Some(Reverse((state.shift(*at, *home)?, *at))));
        let mut back: BinaryHeap<Reverse<(i64, u32)>> = priced.collect();
        let before = moves;
        while let Some(Reverse((price, at))) = back.pop() {
            if price > 0 && moves <= most {
                break;
            }
            let home = homes[&at];
            match state.shift(at, home) {
                Some(now) if now > price => back.push(Reverse((now, at))),
                Some(_) => {
                    state.take(at);
                    state.put(at, home);
                    homes.remove(&at);
                    moves -= 1;
                }
                None => {}
            }
        }
        if moves == before {
            break;
        }
    }
    (moves <= most).then(|| (state.layout(), state.cost()))
}

/// Brings the state to `layout`, if it truly breaks no rule; else leaves it as it is.
pub(super) fn carry_out(
    state: &mut State,
    lowered: &Lowered,
    layout: &[Option<u32>],
    departures: &mut Departures,
    reason: &str,
) -> bool {
    let mark = state.mark();
    let node = |at: u32| lowered.nodes[at as usize];
    let moved = lowered.replicas.iter().zip(lowered.layout.iter().zip(layout));
    let moved: Vec<(ReplicaKey, Option<NodeId>)> =
        moved.filter(|(_, (before, after))| before != after).map(|(key, (_, after))| (*key, after.map(node))).collect();
    let mut spots: BTreeMap<ReplicaKey, Spot> = BTreeMap::new();
    for (key, _) in &moved {
        if let Some(spot) = state.take_away(*key) {
            state.linger_if_home(*key, spot.node);
            spots.insert(*key, spot);
        }
    }
    let placed = moved.iter().all(|(key, to)| to.is_none_or(|to| put_if_ports(state, *key, to)));
    if !placed || !moved.iter().all(|(key, _)| is_content(state, *key)) || !is_company_kept(state, &moved) {
        state.take_back_to(mark);
        return false;
    }
    for key in spots.keys() {
        departures.entry(*key).or_insert_with(|| reason.to_owned());
    }
    true
}

/// Whether all that must be near what has moved still is.
fn is_company_kept(state: &State, moved: &[(ReplicaKey, Option<NodeId>)]) -> bool {
    let services: BTreeSet<ServiceId> = moved.iter().map(|(key, _)| key.service).collect();
    let followers = services.iter().flat_map(|service| &state.world.service(*service).followers);
    followers.collect::<BTreeSet<_>>().into_iter().all(|follower| {
        let service = state.world.service(*follower);
        service.replicas.iter().all(|replica| {
            let group = &service.groups[replica.group as usize];
            replica.spot.as_ref().is_none_or(|spot| !group.is_alone(state, spot.node))
        })
    })
}

fn put_if_ports(state: &mut State, key: ReplicaKey, node: NodeId) -> bool {
    let Some(group) = state.world.group_of(key).cloned() else { return false };
    let ports = state.ports(node);
    let free = group.fixed.iter().all(|port| ports.owner(*port).is_none());
    if !free || ports.free_besides(&group.fixed) < group.dynamic {
        return false;
    }
    state.put(key, node, &[]);
    true
}

/// Whether every rule holds for a replica where it is.
pub(super) fn is_content(state: &mut State, key: ReplicaKey) -> bool {
    let Some(group) = state.world.group_of(key).cloned() else { return false };
    let mark = state.mark();
    let Some(spot) = state.take_away(key) else { return true };
    let content = group.admitted(state, spot.node);
    state.take_back_to(mark);
    content
}
