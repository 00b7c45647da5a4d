//! The newest version of a secret is the one that services are to run with, as soon as it is set; a job that is to run once takes
//! it up with the next spec, and is not run again for it. In the end every replica was started with the newest value.

use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_control::State;
use icefield_control::state::SecretId;
use icefield_placement::ReplicaId;
use icefield_spec::{Name, Unit};

use crate::declare::skeleton;

pub(crate) const NAME: &str = "the newest version of a secret is taken up";

/// The state that was seen last.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    before: Option<Arc<State>>,
}

impl Versions {
    /// Looks at a newer state.
    pub(crate) fn check(&mut self, state: &Arc<State>) -> Result<(), String> {
        let before = self.before.replace(Arc::clone(state)).filter(|before| before.spec != state.spec);
        let Some(spec) = &state.spec else { return Ok(()) };
        for (service, declared) in &spec.services {
            for (secret, number) in &declared.unit.secrets {
                let newest = newest(state, secret).map(|(newest, _)| newest);
                if newest != Some(*number) {
                    return Err(format!(
                        "{service} is to run with version {number} of {secret}, and {newest:?} is there"
                    ));
                }
            }
        }
        let Some(old) = before.and_then(|before| before.spec.clone()) else { return Ok(()) };
        if skeleton(&old) != skeleton(spec) {
            return Ok(());
        }
        let is_kept = |(name, job): &(&Name, &icefield_spec::Job)| old.jobs.get(*name) == Some(job);
        match spec.jobs.iter().find(|one| !is_kept(one)) {
            Some((job, _)) => Err(format!("the job {job} is to run again, and only a secret has another value")),
            None => Ok(()),
        }
    }
}

/// Whether each replica was started with the newest value of each secret that its service names. `values` has those that it was
/// started with, by the numbers of their versions.
pub(crate) fn check_values(state: &State, values: &[(ReplicaId, BTreeMap<u64, String>)]) -> Result<(), String> {
    let services = state.spec.iter().flat_map(|spec| &spec.services);
    let named: BTreeMap<&Name, &Unit> = services.map(|(name, service)| (name, &service.unit)).collect();
    for (replica, values) in values {
        let Some(unit) = named.get(&replica.service) else { continue };
        let newest = unit.secret_env.values().filter_map(|secret| newest(state, secret));
        let newest: BTreeMap<u64, String> = newest.map(|(number, value)| (number, value.to_owned())).collect();
        if newest != *values {
            return Err(format!("{replica} was started with {values:?}, and {newest:?} is the newest"));
        }
    }
    Ok(())
}

/// The newest version of a secret, and its value: nothing is sealed here.
fn newest<'s>(state: &'s State, secret: &Name) -> Option<(u64, &'s str)> {
    let (number, version) = state.secrets.newest(&SecretId { namespace: None, name: secret.clone() })?;
    Some((number, version.sealed.value.as_str()))
}

#[cfg(test)]
mod tests {
    use icefield_control::Command;
    use icefield_control::state::{KeyRecord, SecretStep};
    use icefield_control::vault::{KeyId, Sealed};

    use super::*;
    use crate::declare::{SECRETS, Wish};
    use crate::invariants::sample::Fleet;

    fn set(fleet: &mut Fleet, secret: &str, value: &str) {
        let sealed = Sealed { key: KeyId("0".into()), data_key: String::new(), value: value.to_owned() };
        let step = SecretStep::Set { id: secret.parse().unwrap(), sealed, by: String::new() };
        fleet.done(Command::Secret { at: 0, step });
    }

    /// A fleet whose spec names secrets.
    fn fleet() -> Fleet {
        let mut fleet = Fleet::of(3);
        let record = KeyRecord { id: KeyId("0".into()), granted: BTreeMap::new() };
        let step = SecretStep::Key { before: None, last: 0, record, sealed: BTreeMap::new() };
        fleet.done(Command::Secret { at: 0, step });
        SECRETS.iter().for_each(|secret| set(&mut fleet, secret, "old"));
        let mut wish = Wish::first();
        wish.name_secrets([1, 2]);
        fleet.done(Command::Apply { at: 0, spec: Box::new(wish.spec(3)), expect: None });
        fleet
    }

    #[test]
    fn sees_a_version_that_is_not_taken_up_and_a_job_that_is_done_again() {
        let mut fleet = fleet();
        let mut versions = Versions::default();
        assert_eq!(versions.check(&Arc::new(fleet.state.clone())), Ok(()));
        let old = fleet.state.spec.clone();
        set(&mut fleet, "api-key", "new");
        assert_eq!(versions.check(&Arc::new(fleet.state.clone())), Ok(()));
        let mut stale = fleet.state.clone();
        stale.spec = old;
        let message = versions.check(&Arc::new(stale)).unwrap_err();
        assert_eq!(message, "api is to run with version 1 of api-key, and Some(3) is there");

        let mut versions = Versions::default();
        versions.check(&Arc::new(fleet.state.clone())).unwrap();
        let spec = Arc::make_mut(fleet.state.spec.as_mut().unwrap());
        spec.jobs.values_mut().for_each(|job| job.unit.secrets.values_mut().for_each(|number| *number = 3));
        assert!(
            versions.check(&Arc::new(fleet.state.clone())).unwrap_err().starts_with("the job move is to run again")
        );
    }

    #[test]
    fn sees_a_replica_with_an_older_value() {
        let mut fleet = fleet();
        set(&mut fleet, "api-key", "new");
        let check = |values: &[(u64, &str)]| {
            let values = values.iter().map(|(number, value)| (*number, (*value).to_owned())).collect();
            check_values(&fleet.state, &[("api/0".parse().unwrap(), values)])
        };
        assert_eq!(check(&[(3, "new")]), Ok(()));
        assert!(check(&[(1, "old")]).is_err());
        assert!(check(&[]).is_err());
    }
}
