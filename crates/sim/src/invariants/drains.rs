//! A node that is drained, for its system's restart or by a person, loses no replica by which fewer of its service serve than
//! must: as many may be missing as its rollouts let, and one where they let none.

use icefield_control::State;
use icefield_placement::ReplicaId;
use icefield_spec::{Name, Service};

use super::availability::Availability;

pub(crate) const NAME: &str = "never below the least number by a drain's doing";

/// Compares a newer state with the one that `availability` has compared last. What was declared between them may have come
/// before the drain's doing or after it.
pub(crate) fn check(availability: &Availability, state: &State) -> Result<(), String> {
    let (Some(before), Some(spec)) = (availability.before(), &state.spec) else { return Ok(()) };
    if state.version <= before.version {
        return Ok(());
    }
    for (name, service) in &spec.services {
        let Some(replica) = left(availability, before, state, name) else { continue };
        let declared = before.spec.as_ref().and_then(|spec| spec.services.get(name));
        let least = declared.map_or(least(service), |declared| least(declared).min(least(service)));
        let serving = availability.serving(state, name).count();
        if serving < least {
            return Err(format!("{replica} had to leave its node, and {serving} of {least} are left"));
        }
    }
    Ok(())
}

/// A replica that served and was moved from a node that drains.
fn left(availability: &Availability, before: &State, after: &State, service: &Name) -> Option<ReplicaId> {
    let mut serving = availability.serving(before, service);
    serving.find_map(|(replica, assignment, well)| {
        (has_left(after, &replica, &assignment.node) && availability.surely_served(well, after, &replica))
            .then_some(replica)
    })
}

/// Whether a replica was moved from a node that drains.
fn has_left(after: &State, replica: &ReplicaId, from: &Name) -> bool {
    let is_moved = after.placed.get(replica).is_some_and(|now| now.node != *from);
    is_moved && after.nodes.get(from).is_some_and(|node| node.draining && !node.lost)
}

/// How many must serve while a node is drained.
fn least(service: &Service) -> usize {
    service.replicas.saturating_sub(service.update.max_unavailable.max(1)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use icefield_api::NodeAction;
    use icefield_control::Command;
    use icefield_placement::{Assignment, Change, ChangeKind};

    use super::*;
    use crate::declare::node_name;
    use crate::invariants::sample::Fleet;

    #[test]
    fn sees_two_that_leave_at_once() {
        let verdict = |moved: usize| {
            let mut fleet = Fleet::of(5);
            let web = Name::new("web").unwrap();
            let revision = fleet.state.spec.as_ref().unwrap().services["web"].revision();
            let change = |fleet: &mut Fleet, changes| {
                let seen = fleet.state.version;
                fleet.done(Command::Place { at: 0, seen, changes });
            };
            let to = |node| Assignment { node: node_name(node), revision, ports: BTreeMap::new() };
            let place = |at: usize| {
                let kind = ChangeKind::Place { to: to(at) };
                Change { replica: ReplicaId::new(web.clone(), at as u32), kind, reason: String::new() }
            };
            change(&mut fleet, (0..2).map(place).collect());
            for at in 0..2 {
                fleet.done(Command::Node { at: 0, node: node_name(at), action: NodeAction::Drain });
            }
            let mut availability = Availability::default();
            for now in (0..10_000).step_by(20) {
                let one = |at: usize| (node_name(at), vec![(ReplicaId::new(web.clone(), at as u32), revision, true)]);
                availability.note(&[one(0), one(1)], now);
            }
            availability.check(&Arc::new(fleet.state.clone())).unwrap();
            let leave = |at: usize| {
                let kind = ChangeKind::Move { from: node_name(at), to: to(at + 2) };
                Change { replica: ReplicaId::new(web.clone(), at as u32), kind, reason: String::new() }
            };
            change(&mut fleet, (0..moved).map(leave).collect());
            check(&availability, &fleet.state)
        };
        assert_eq!(verdict(1), Ok(()));
        assert_eq!(verdict(2).unwrap_err(), "web/0 had to leave its node, and 0 of 1 are left");
    }
}
