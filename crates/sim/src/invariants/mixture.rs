//! A service's replicas differ only while it is being rolled out: another version of a secret is taken up by a rollout like
//! everything else.

use icefield_api::RolloutState;
use icefield_control::State;

pub(crate) const NAME: &str = "no mixture without a rollout";

/// Whether all of a service's own replicas are of one revision, where no rollout is under way or has stopped.
pub(crate) fn check(state: &State) -> Result<(), String> {
    let Some(spec) = &state.spec else { return Ok(()) };
    for (name, record) in &state.services {
        let Some(service) = spec.services.get(name).filter(|_| record.rollout.state == RolloutState::Done) else {
            continue;
        };
        let own = |index: u32| record.own.as_ref().map_or(index < service.replicas, |own| own.contains(&index));
        let mut placed = state.placed.placement().service(name.as_str()).filter(|(index, _)| own(*index));
        if let Some((index, other)) = placed.find(|(_, assignment)| assignment.revision != record.target) {
            let (other, target) = (other.revision.short(), record.target.short());
            return Err(format!("{name}/{index} is of revision {other}, and all of {name} are to be of {target}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use icefield_control::Command;
    use icefield_placement::{Assignment, Change, ChangeKind, ReplicaId};
    use icefield_spec::Name;

    use super::*;
    use crate::declare::node_name;
    use crate::invariants::sample::Fleet;

    #[test]
    fn sees_a_replica_of_another_revision() {
        let mut fleet = Fleet::of(3);
        let web = Name::new("web").unwrap();
        let revision = fleet.state.spec.as_ref().unwrap().services["web"].revision();
        let to = Assignment { node: node_name(0), revision, ports: BTreeMap::new() };
        let (replica, kind) = (ReplicaId::new(web.clone(), 0), ChangeKind::Place { to });
        let change = Change { replica, kind, reason: String::new() };
        let seen = fleet.state.version;
        fleet.done(Command::Place { at: 0, seen, changes: vec![change] });
        let record = fleet.state.services.get_mut(&web).unwrap();
        record.rollout.state = RolloutState::Done;
        assert_eq!(check(&fleet.state), Ok(()));
        fleet.state.services.get_mut(&web).unwrap().target = icefield_spec::Revision::of("another");
        assert!(check(&fleet.state).unwrap_err().starts_with("web/0 is of revision"));
    }
}
