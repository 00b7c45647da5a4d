use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::Name;

use super::id::{NodeId, ReplicaKey, ServiceId};
use super::service::Spot;
use super::state::State;
use crate::rules::{Binds, Hard, Tie};
use crate::{Acceptance, Placement};

/// Why wanted replicas must leave the node they are on.
pub(crate) type Departures = BTreeMap<ReplicaKey, String>;

/// Takes every replica off that breaks a hard rule where it is; notes why.
///
/// Where not all of a node's or domain's replicas can stay, those stay that have the higher priority, then those that
/// need not even be restarted, then those with the lowest indexes.
pub(crate) fn settle(state: &mut State, current: &Placement, departures: &mut Departures) {
    for node in std::mem::take(&mut state.agenda.clashes) {
        seat_anew(state, node, current);
        state.agenda.clashes.insert(node);
    }
    let mut suspects = suspects(state);
    // The worst first: what is taken off makes room for the better.
    suspects.sort_unstable_by(|a, b| b.cmp(a));
    let mut leaving = Vec::new();
    for suspect in suspects {
        let key = suspect.key;
        let Some(spot) = state.spot(key).cloned() else { continue };
        if reason_to_leave(state, key, spot.node, true).is_none() {
            continue;
        }
        state.take_away(key);
        match reason_to_leave(state, key, spot.node, false) {
            Some(reason) => leaving.push((suspect, spot, reason)),
            None => drop(state.put_as_is(key, spot)),
        }
    }
    // What has left may have made room for some of what left before it.
    for (suspect, spot, reason) in leaving.into_iter().rev() {
        let key = suspect.key;
        if reason_to_leave(state, key, spot.node, false).is_none() {
            state.put_as_is(key, spot);
        } else {
            state.linger(key, spot.node);
            departures.insert(key, told(state, key, current, reason));
        }
    }
    rewire(state, current, departures);
}

/// The order in which replicas stay where not all can: the first ones do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Suspect {
    priority: Reverse<i32>,
    stale: bool,
    index: u32,
    service: Name,
    key: ReplicaKey,
}

impl Suspect {
    fn new(state: &State, key: ReplicaKey) -> Self {
        Self {
            priority: Reverse(state.world.group_of(key).map_or(0, |group| group.demand.priority)),
            stale: state.agenda.stale.contains(&key),
            index: key.index,
            service: state.world.service(key.service).name.clone(),
            key,
        }
    }
}

/// All replicas that could break a rule.
fn suspects(state: &State) -> Vec<Suspect> {
    let mut keys: BTreeSet<ReplicaKey> = BTreeSet::new();
    for node in &state.agenda.nodes {
        keys.extend(state.on_node(*node));
    }
    for service in &state.agenda.services {
        let placed = state.world.service(*service).replicas.iter().filter(|replica| replica.spot.is_some());
        keys.extend(placed.map(|replica| ReplicaKey { service: *service, index: replica.index }));
    }
    keys.extend(state.agenda.stale.iter().filter(|key| state.spot(**key).is_some()));
    keys.into_iter().map(|key| Suspect::new(state, key)).collect()
}

/// Why a replica cannot be on `node`, where it is counted or not.
fn reason_to_leave(state: &State, key: ReplicaKey, node: NodeId, counted: bool) -> Option<String> {
    let group = state.world.group_of(key)?;
    if let Some(tied) = group.demand.ties.get(&key.index) {
        let tie = Tie::new(tied, &state.world);
        if !tie.admits(state, node) {
            return Some(tie.departure(state, node));
        }
    }
    // One that is counted is in its own way, so that every rule that counts looks broken; the others then tell the truth.
    let broken = group.broken_by_staying(state, node)?;
    Some(if counted { String::new() } else { broken.departure(state, node) })
}

/// `reason`, with the new revision as its cause if that is so.
fn told(state: &State, key: ReplicaKey, current: &Placement, reason: String) -> String {
    let service = state.world.service(key.service);
    let (Some(before), Some(group)) = (current.at(&service.name, key.index), state.world.group_of(key)) else {
        return reason;
    };
    let leaves =
        state.world.node_called(&before.node).is_none_or(|node| state.world.acceptance(node) > Acceptance::Emptying);
    match group.demand.revision {
        after if after != before.revision && !leaves => {
            format!("revision {} → {}: {reason}", before.revision.short(), after.short())
        }
        _ => reason,
    }
}

/// Gives out the ports of a node's replicas again, to those first that stay first.
fn seat_anew(state: &mut State, node: NodeId, current: &Placement) {
    let keys = state.on_node(node).to_vec();
    for key in &keys {
        state.take_away(*key);
    }
    // Each by itself first: whether one need not be restarted must not depend on who was known to be there before it.
    let alone = |key: ReplicaKey| {
        state.settle_in(key, current);
        let suspect = Suspect::new(state, key);
        state.take_away(key);
        suspect
    };
    let mut there: Vec<Suspect> = keys.into_iter().map(alone).collect();
    there.sort_unstable();
    for suspect in there {
        state.settle_in(suspect.key, current);
    }
}

/// Gives those that stay the ports that they lack. Last, so that a newly chosen port is none that another one keeps.
fn rewire(state: &mut State, current: &Placement, departures: &mut Departures) {
    let stale = state.agenda.stale.iter().filter(|key| state.spot(**key).is_some_and(|spot| spot.ports.contains(&0)));
    let mut stale: Vec<Suspect> = stale.map(|key| Suspect::new(state, *key)).collect();
    stale.sort_unstable();
    for suspect in stale {
        let key = suspect.key;
        let Some(Spot { node, ports }) = state.take_away(key) else { continue };
        match reason_to_leave(state, key, node, false) {
            None => state.put(key, node, &ports),
            Some(reason) => {
                state.linger(key, node);
                departures.insert(key, told(state, key, current, reason));
            }
        }
    }
}

/// Takes off what has lost the company that it must be in, once everything else has found its place.
pub(crate) fn abandoned(state: &mut State, services: &BTreeSet<ServiceId>, departures: &mut Departures) -> bool {
    let mut any = false;
    for service in services {
        if !state.world.service(*service).groups.iter().any(|group| group.depends()) {
            continue;
        }
        let placed = state.world.service(*service).replicas.iter().filter(|replica| replica.spot.is_some());
        for index in placed.map(|replica| replica.index).collect::<Vec<_>>() {
            let key = ReplicaKey { service: *service, index };
            let Some(group) = state.world.group_of(key).cloned() else { continue };
            let Some(node) = state.spot(key).map(|spot| spot.node) else { continue };
            let settled = || group.hard.iter().filter(|rule| rule.binds() == Binds::Settled);
            if let Some(broken) = settled().find(|rule| !rule.admits(state, node)) {
                let reason = broken.departure(state, node);
                state.take_away(key);
                state.linger(key, node);
                departures.entry(key).or_insert(reason);
                any = true;
            }
        }
    }
    any
}
