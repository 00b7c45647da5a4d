//! A secret reaches only its nodes: those on which a replica is placed whose unit names it.

use std::collections::{BTreeMap, BTreeSet};

use icefield_control::{State, view};
use icefield_spec::Name;

pub(crate) const NAME: &str = "a secret reaches only its nodes";

/// Whether the servers would give each node the secrets of its own replicas, and no others.
pub(crate) fn check(state: &State) -> Result<(), String> {
    let mut named: BTreeMap<&Name, BTreeSet<u64>> = BTreeMap::new();
    for (replica, assignment) in state.placed.placement().iter() {
        let of_service = state.services.get(&replica.service).map(|record| &record.units);
        let units = of_service.or_else(|| state.jobs.get(&replica.service).map(|record| &record.units));
        let Some(planned) = units.and_then(|units| units.get(&assignment.revision)) else { continue };
        named.entry(&assignment.node).or_default().extend(planned.unit.secrets.values());
    }
    for node in state.nodes.keys() {
        let own = named.remove(node).unwrap_or_default();
        let given: BTreeSet<u64> = view::secrets_of(state, node).into_keys().collect();
        if let Some(version) = given.difference(&own).next() {
            return Err(format!("{node} would be given version {version}, which none of its replicas names"));
        }
        if let Some(version) = own.difference(&given).next() {
            return Err(format!("{node} would not be given version {version}, which a replica of it names"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_state_without_secrets_gives_none() {
        assert_eq!(check(&State::default()), Ok(()));
    }

    #[test]
    fn sees_a_secret_that_does_not_arrive() {
        use icefield_api::Capacity;
        use icefield_control::state::{KeyRecord, SecretStep};
        use icefield_control::vault::{KeyId, Sealed};
        use icefield_control::{Applied, Command};
        use icefield_placement::{Assignment, Change, ChangeKind, ReplicaId};
        use icefield_spec::{Bytes, Cpu};

        use crate::declare::{SECRETS, Wish, node_name};

        let mut state = State::default();
        let done = |state: &mut State, command| {
            let applied = state.apply(state.version + 1, command);
            assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
        };
        let key = KeyId("0".into());
        let record = KeyRecord { id: key.clone(), granted: BTreeMap::new() };
        let step = SecretStep::Key { before: None, last: 0, record, sealed: BTreeMap::new() };
        done(&mut state, Command::Secret { at: 0, step });
        for secret in SECRETS {
            let sealed = Sealed { key: key.clone(), data_key: String::new(), value: String::new() };
            let step = SecretStep::Set { id: secret.parse().unwrap(), sealed, by: String::new() };
            done(&mut state, Command::Secret { at: 0, step });
        }
        let mut wish = Wish::first();
        wish.name_secrets([1, 2]);
        let spec = wish.spec(2);
        let capacity = Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(8 << 30), ports: None };
        let (address, api, drivers) = (String::new(), String::new(), Vec::new());
        let register = Command::Register { at: 0, node: node_name(0), address, api, capacity, drivers, started: 1 };
        done(&mut state, register);
        done(&mut state, Command::Apply { at: 0, spec: Box::new(spec.clone()), expect: None });
        assert_eq!(state.spec.as_deref(), Some(&spec), "the versions are as the servers fill them in");
        let service = Name::new("api").unwrap();
        let to =
            Assignment { node: node_name(0), revision: spec.services[&service].revision(), ports: BTreeMap::new() };
        let replica = ReplicaId::new(service, 0);
        let change = Change { replica, kind: ChangeKind::Place { to }, reason: String::new() };
        let seen = state.version;
        done(&mut state, Command::Place { at: 0, seen, changes: vec![change] });
        assert_eq!(check(&state), Ok(()));
        Arc::make_mut(&mut state.secrets).records.clear();
        assert_eq!(check(&state).unwrap_err(), "n1 would not be given version 1, which a replica of it names");
    }
}
