//! The secrets of the cluster, sealed: see [`crate::vault`]. A state that is written down opens none of them.

mod id;
mod resolve;
mod step;

use std::collections::BTreeMap;

use icefield_spec::Name;
use serde::{Deserialize, Serialize};

pub use self::id::SecretId;
pub use self::resolve::Missing;
pub use self::step::SecretStep;
use crate::vault::{Granted, KeyId, PublicKey, Sealed};

/// All secrets, and who may open them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Secrets {
    /// The number of the newest version of any secret. No two versions ever share one.
    pub last: u64,
    /// The secrets.
    pub records: BTreeMap<SecretId, SecretRecord>,
    /// The cluster key, as each server has it; there is none before the first secret.
    pub key: Option<KeyRecord>,
    /// The public keys of the servers that have made theirs known.
    pub servers: BTreeMap<String, PublicKey>,
}

/// The cluster key that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Which one.
    pub id: KeyId,
    /// To which servers it was granted.
    pub granted: BTreeMap<String, Grant>,
}

/// The cluster key for one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What it was sealed with.
    pub public: PublicKey,
    /// The sealed key.
    pub sealed: Granted,
}

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Its versions: the newest, and those that replicas still have or may go back to.
    pub versions: BTreeMap<u64, Version>,
}

/// One value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The value.
    pub sealed: Sealed,
    /// When it was set, in milliseconds since 1970.
    pub set: u64,
    /// Who set it.
    pub by: String,
}

impl Secrets {
    /// Whether there never were any.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The newest version of a secret with its number.
    pub fn newest(&self, id: &SecretId) -> Option<(u64, &Version)> {
        let (number, version) = self.records.get(id)?.versions.last_key_value()?;
        Some((*number, version))
    }

    /// The version with this number, and which secret it is of.
    pub fn version(&self, number: u64) -> Option<(&SecretId, &Version)> {
        self.records.iter().find_map(|(id, record)| Some((id, record.versions.get(&number)?)))
    }

    /// Grants the cluster key to one server and nobody else.
    pub(crate) fn grant_alone(&mut self, server: &str, public: PublicKey, sealed: Granted) {
        self.servers = BTreeMap::from([(server.to_owned(), public.clone())]);
        if let Some(key) = &mut self.key {
            key.granted = BTreeMap::from([(server.to_owned(), Grant { public, sealed })]);
        }
    }

    /// Drops all secrets and the key that nobody has. Numbers go on.
    pub(crate) fn drop_all(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }
}

/// The secret `name` of the services of `namespace`, as a person is told to set it.
pub(crate) fn how_to_set(name: &Name, namespace: Option<&Name>) -> String {
    match namespace {
        Some(namespace) => format!("`icefield secret set {name} --namespace {namespace}`"),
        None => format!("`icefield secret set {name}`"),
    }
}

#[cfg(test)]
mod tests;
