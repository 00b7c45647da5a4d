use std::collections::BTreeSet;

use icefield_placement::{Change, ChangeKind, ReplicaId};
use icefield_spec::Name;

use super::holders::permitted;
use super::kept::Kept;
use super::possible::Possible;
use crate::observe::Observations;
use crate::{Command, State};

/// What is to leave draining nodes, as of one basis of the state.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// The basis and the suspects that it was decided from.
    from: Option<(u64, BTreeSet<Name>)>,
    changes: Vec<Change>,
    /// What of it was possible the last time, so that the same is not tried again.
    tried: Possible,
}

/// The next replicas to leave draining nodes, if any can leave now.
///
/// The rules: a replica leaves only for a node that can take it, and one that serves only if then no more than
/// `max_unavailable` of its service do not serve. What cannot be anywhere else, replicas with volumes and those of
/// daemons, is stopped once nothing else is left on the node: others may be waiting for it. One with a volume whose service is being
/// rolled out is stopped after that.
pub(super) fn due(
    state: &State,
    seen: &Observations,
    kept: &mut Kept,
    leaving: &mut Leaving,
    now: u64,
) -> Option<Command> {
    let draining = state.nodes.iter().filter(|(node, record)| {
        record.draining && !record.lost && state.placed.on_node(node.as_str()).next().is_some()
    });
    let draining: Vec<&Name> = draining.map(|(node, _)| node).filter(|node| state.declares(node.as_str())).collect();
    if draining.is_empty() {
        return None;
    }
    let stays: Vec<Change> = draining.iter().flat_map(|node| bound(state, node)).collect();
    if !stays.is_empty() {
        return Some(Command::Place { at: now, seen: state.version, changes: stays });
    }
    let from = Some((state.basis, seen.health().suspects.clone()));
    if leaving.from != from {
        let is_move = |change: &Change| matches!(change.kind, ChangeKind::Move { .. });
        let changes = kept.without(state, &draining).into_iter().filter(is_move).collect();
        (leaving.from, leaving.changes) = (from, changes);
    }
    let possible = Possible::new(state, seen, kept, &leaving.changes, now);
    if leaving.tried == possible {
        return None;
    }
    leaving.tried.clone_from(&possible);
    let changes = permitted(state, possible.step(state, kept));
    (!changes.is_empty()).then_some(Command::Place { at: now, seen: state.version, changes })
}

/// The removal of each replica on `node` that can be nowhere else, once there is nothing but these.
fn bound(state: &State, node: &Name) -> Vec<Change> {
    let services = state.spec.as_deref().map(|spec| &spec.services);
    let is_daemon = |replica: &ReplicaId| {
        services.and_then(|services| services.get(&replica.service)).is_some_and(|one| one.daemon)
    };
    let is_bound = |replica: &ReplicaId| is_daemon(replica) || state.tied_to(replica).is_some();
    let on_it = || state.placed.on_node(node.as_str()).map(|(replica, _)| replica);
    if !on_it().all(is_bound) {
        return Vec::new();
    }
    let waits = |replica: &ReplicaId| {
        let rollout = state.services.get(&replica.service).map(|record| &record.rollout);
        !is_daemon(replica) && rollout.is_some_and(|rollout| rollout.is_under_way() && !rollout.rests())
    };
    on_it()
        .filter(|replica| !waits(replica))
        .cloned()
        .map(|replica| {
            let kind = ChangeKind::Remove { from: node.clone() };
            Change { replica, kind, reason: format!("{node} is draining") }
        })
        .collect()
}
