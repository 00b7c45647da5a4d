use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use icefield_spec::{Name, Spec};

use super::{SecretId, Secrets, how_to_set};
use crate::state::State;

/// A secret that a service names and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The service.
    pub service: Name,
    /// The secret.
    pub id: SecretId,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecretId { name, namespace } = &self.id;
        write!(
            f,
            "service {} names the secret {:?}, which is not there; {} makes it",
            self.service,
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
        for (service, declared) in &mut spec.services {
            let mut versions = BTreeMap::new();
            for name in declared.unit.secret_names() {
                let id = SecretId { namespace: declared.namespace.clone(), name };
                match self.newest(&id) {
                    Some((number, _)) => drop(versions.insert(id.name, number)),
                    None => missing.push(Missing { service: service.clone(), id }),
                }
            }
            declared.unit.secrets = versions;
        }
        missing
    }
}

impl State {
    /// The spec in force with another version of a secret; `None` if no service has it.
    pub(super) fn spec_with_newest(&self) -> Option<Arc<Spec>> {
        let current = self.spec.as_deref()?;
        if current.services.values().all(|service| service.unit.secrets.is_empty()) {
            return None;
        }
        let mut next = current.clone();
        // What was removed by force is missing, and stays so: its services keep what they have.
        let missing: BTreeSet<Name> =
            self.secrets.resolve(&mut next).into_iter().map(|missing| missing.service).collect();
        for service in missing {
            if let (Some(next), Some(before)) = (next.services.get_mut(&service), current.services.get(&service)) {
                next.unit.secrets.clone_from(&before.unit.secrets);
            }
        }
        (next != *current).then(|| Arc::new(next))
    }

    /// The services of the spec in force that use a secret.
    pub(crate) fn users_of(&self, id: &SecretId) -> Vec<Name> {
        let services = self.spec.iter().flat_map(|spec| &spec.services);
        let uses = services
            .filter(|(_, service)| service.namespace == id.namespace && service.unit.secrets.contains_key(&id.name));
        uses.map(|(name, _)| name.clone()).collect()
    }

    /// Forgets versions that are neither the newest nor any replica's, and that no rollout may go back to.
    pub(in crate::state) fn forget_versions(&mut self) {
        if self.secrets.records.values().all(|record| record.versions.len() < 2) {
            return;
        }
        let units = self.services.values().flat_map(|record| record.units.values());
        let needed: BTreeSet<u64> = units.flat_map(|planned| planned.unit.secrets.values().copied()).collect();
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
