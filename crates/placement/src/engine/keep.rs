use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::Port;

use super::group::Group;
use super::id::{NodeId, ReplicaNo};
use super::state::State;
use crate::{Acceptance, Assignment, Placement, ReplicaId};

/// Why wanted replicas must leave the node they are on.
pub(crate) type Departures = BTreeMap<ReplicaNo, String>;

/// Leaves every replica where it is that breaks no hard rule there; gives back why the others must go.
///
/// Where not all of a node's or domain's replicas can stay, those stay that need not even be restarted, then those
/// with the lowest indexes.
pub(crate) fn keep(state: &mut State<'_>, current: &Placement) -> Departures {
    let mut departures = Departures::new();
    let (mut unchanged, mut rewired) = (Vec::new(), Vec::new());
    for (id, assignment) in current.iter() {
        let Some(replica) = state.world.replica_called(&id) else { continue };
        match Standing::new(state, replica, &id, assignment) {
            Ok(standing) if standing.ports_hold => unchanged.push(standing),
            Ok(standing) => rewired.push(standing),
            Err(reason) => {
                departures.insert(replica, reason);
            }
        }
    }
    unchanged.sort_by_key(|standing| (standing.revised, standing.index, standing.replica));
    for standing in unchanged {
        if let Some(reason) = standing.departure(state) {
            departures.insert(standing.replica, reason);
        } else if standing.ports_are_free(state) {
            state.put(standing.replica, standing.node, &standing.wishes);
        } else {
            rewired.push(standing);
        }
    }
    // Last, so that a newly chosen port is none that another one keeps.
    rewired.sort_by_key(|standing| (standing.index, standing.replica));
    for standing in rewired {
        match standing.departure(state) {
            Some(reason) => {
                departures.insert(standing.replica, reason);
            }
            None => state.put(standing.replica, standing.node, &standing.wishes),
        }
    }
    departures
}

/// A wanted replica on a node that exists.
struct Standing<'a> {
    replica: ReplicaNo,
    index: u32,
    node: NodeId,
    assignment: &'a Assignment,
    /// Whether it is of another revision than it should be.
    revised: bool,
    /// Whether its ports are as its demand has them.
    ports_hold: bool,
    /// Those of its dynamic ports that it may keep, in the order of their names.
    wishes: Vec<Option<u16>>,
}

impl<'a> Standing<'a> {
    fn new(state: &State<'_>, replica: ReplicaNo, id: &ReplicaId, assignment: &'a Assignment) -> Result<Self, String> {
        let world = state.world;
        let Some(node) = world.node_called(assignment.node.as_str()) else {
            return Err(format!("node {} is gone", assignment.node));
        };
        let group = world.group_of(replica);
        let wishes = wishes(group, state, node, assignment);
        let kept = group.ports.iter().zip(&wishes).zip(group.demand.ports.keys());
        let mut kept = kept.map(|((port, wish), name)| match port {
            Port::Dynamic => wish.is_some(),
            Port::Fixed(port) => assignment.ports.get(name) == Some(port),
        });
        let ports_hold = assignment.ports.len() == group.ports.len() && kept.all(|kept| kept);
        let revised = assignment.revision != group.demand.revision;
        Ok(Self { replica, index: id.index, node, assignment, revised, ports_hold, wishes })
    }

    /// Why it cannot stay, given those that do.
    fn departure(&self, state: &State<'_>) -> Option<String> {
        let group = state.world.group_of(self.replica);
        let reason = group.broken_by_staying(state, self.node)?.departure(state, self.node);
        let leaves = state.world.host(self.node).acceptance > Acceptance::Cordoned;
        let (before, after) = (self.assignment.revision, group.demand.revision);
        let by_revision = self.revised && !leaves;
        Some(if by_revision { format!("revision {} → {}: {reason}", before.short(), after.short()) } else { reason })
    }

    fn ports_are_free(&self, state: &State<'_>) -> bool {
        let ports = state.ports(self.node);
        self.wishes.iter().flatten().all(|port| ports.owner(*port).is_none())
    }
}

/// The dynamic ports of `assignment` that are still such: in the node's range, each once, and none of the fixed ones.
fn wishes(group: &Group<'_>, state: &State<'_>, node: NodeId, assignment: &Assignment) -> Vec<Option<u16>> {
    let range = state.ports(node).range();
    let mut seen = BTreeSet::new();
    let wish = |(name, port): (_, &Port)| {
        let current = *assignment.ports.get(name)?;
        let dynamic = *port == Port::Dynamic && range.contains(current) && !group.fixed.contains(&current);
        (dynamic && seen.insert(current)).then_some(current)
    };
    group.demand.ports.iter().map(wish).collect()
}
