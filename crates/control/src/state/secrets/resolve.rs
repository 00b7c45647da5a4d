use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use icefield_spec::{Name, Spec, Unit};

use super::{SecretId, Secrets, how_to_set};
use crate::state::State;

/// A secret that a service or a job names and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What names it: `service web`.
    pub user: String,
    /// The secret.
    pub id: SecretId,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecretId { name, namespace } = &self.id;
        write!(
            f,
            "{} names the secret {:?}, which is not there; {} makes it",
            self.user,
            name.as_str(),
            how_to_set(name, namespace.as_ref())
        )
    }
}

impl Secrets {
    /// Writes into each unit of `spec` the newest version of each secret that it names; gives back those that are not there.
    ///
    /// A version is part of the unit, so another one is another revision, which is rolled out like any.
    pub fn resolve(&self, spec: &mut Spec) -> Vec<Missing> {
        let mut missing = Vec::new();
        for (name, service) in &mut spec.services {
            missing.extend(self.fill(format!("service {name}"), service.namespace.as_ref(), &mut service.unit));
        }
        for (name, job) in &mut spec.jobs {
            missing.extend(self.fill(format!("job {name}"), job.namespace.as_ref(), &mut job.unit));
        }
        missing
    }

    /// Does so for one unit.
    fn fill(&self, user: String, namespace: Option<&Name>, unit: &mut Unit) -> Vec<Missing> {
        let (mut versions, mut missing) = (BTreeMap::new(), Vec::new());
        for name in unit.secret_names() {
            let id = SecretId { namespace: namespace.cloned(), name };
            match self.newest(&id) {
                Some((number, _)) => drop(versions.insert(id.name, number)),
                None => missing.push(Missing { user: user.clone(), id }),
            }
        }
        unit.secrets = versions;
        missing
    }
}

impl State {
    /// The spec in force with another version of a secret; `None` if nothing has it.
    ///
    /// What was removed by force stays as it is where it is in use. A job without a schedule has done its work with the
    /// secret that there was; another one is no reason to do it again.
    pub(super) fn spec_with_newest(&self) -> Option<Arc<Spec>> {
        let current = self.spec.as_deref()?;
        if units(current).all(|(_, unit)| unit.secrets.is_empty()) {
            return None;
        }
        let mut next = current.clone();
        self.secrets.resolve(&mut next);
        for (service, before) in next.services.values_mut().zip(current.services.values()) {
            if service.unit.secrets.len() < before.unit.secrets.len() {
                service.unit.secrets.clone_from(&before.unit.secrets);
            }
        }
        for (job, before) in next.jobs.values_mut().zip(current.jobs.values()) {
            if job.schedule.is_none() || job.unit.secrets.len() < before.unit.secrets.len() {
                job.unit.secrets.clone_from(&before.unit.secrets);
            }
        }
        (next != *current).then(|| Arc::new(next))
    }

    /// The services and jobs of the spec in force that use a secret.
    pub(crate) fn users_of(&self, id: &SecretId) -> Vec<Name> {
        let Some(spec) = self.spec.as_deref() else { return Vec::new() };
        let services = spec.services.iter().map(|(name, service)| (name, &service.namespace, &service.unit));
        let jobs = spec.jobs.iter().map(|(name, job)| (name, &job.namespace, &job.unit));
        let uses = services
            .chain(jobs)
            .filter(|(_, namespace, unit)| **namespace == id.namespace && unit.secrets.contains_key(&id.name));
        uses.map(|(name, ..)| name.clone()).collect()
    }

    /// The same without those that keep the version that they have; and those.
    pub(crate) fn takers_of(&self, id: &SecretId) -> (Vec<Name>, Vec<Name>) {
        let jobs = self.spec.as_deref().map(|spec| &spec.jobs);
        let keeps = |name: &Name| jobs.and_then(|jobs| jobs.get(name)).is_some_and(|job| job.schedule.is_none());
        self.users_of(id).into_iter().partition(|name| !keeps(name))
    }

    /// Forgets versions that are neither the newest nor any replica's, and that no rollout may go back to.
    pub(in crate::state) fn forget_versions(&mut self) {
        if self.secrets.records.values().all(|record| record.versions.len() < 2) {
            return;
        }
        let replicas = self.services.values().flat_map(|record| record.units.values()).map(|planned| &*planned.unit);
        let attempts = self.jobs.values().flat_map(|record| record.units.values()).map(|planned| &*planned.unit);
        let declared = self.spec.iter().flat_map(|spec| units(spec)).map(|(_, unit)| unit);
        let all = replicas.chain(attempts).chain(declared);
        let needed: BTreeSet<u64> = all.flat_map(|unit| unit.secrets.values().copied()).collect();
        let old = |record: &super::SecretRecord| {
            let newest = record.versions.keys().next_back().copied();
            record.versions.keys().any(|number| Some(*number) != newest && !needed.contains(number))
        };
        if !self.secrets.records.values().any(old) {
            return;
        }
        for record in Arc::make_mut(&mut self.secrets).records.values_mut() {
            let newest = record.versions.keys().next_back().copied();
            record.versions.retain(|number, _| Some(*number) == newest || needed.contains(number));
        }
    }
}

/// The unit of each service and job.
fn units(spec: &Spec) -> impl Iterator<Item = (&Name, &Unit)> {
    let services = spec.services.iter().map(|(name, service)| (name, &service.unit));
    services.chain(spec.jobs.iter().map(|(name, job)| (name, &job.unit)))
}
