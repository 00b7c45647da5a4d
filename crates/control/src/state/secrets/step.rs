use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_api::EventKind;
use icefield_spec::Name;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Grant, KeyRecord, SecretId, SecretRecord, Version};
use crate::state::{Effect, State};
use crate::vault::{KeyId, PublicKey, Sealed};

/// A change of the secrets. What is sealed was sealed by who proposed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum SecretStep {
    /// A secret gets a value.
    Set {
        /// Which.
        id: SecretId,
        /// The value; refused if it is sealed with another key than the one that is used.
        sealed: Sealed,
        /// Who sets it.
        by: String,
    },
    /// A secret goes.
    Remove {
        /// Which.
        id: SecretId,
        /// Whether also if services use it.
        force: bool,
    },
    /// A server makes its public key known.
    Public {
        /// Which server.
        server: String,
        /// Its key.
        public: PublicKey,
    },
    /// A server is granted the cluster key.
    Grant {
        /// Which server.
        server: String,
        /// The cluster key that is granted; refused if it is another one by now.
        key: KeyId,
        /// The key, sealed for it.
        grant: Grant,
    },
    /// Another cluster key is used from now on: the first one, or because a server is gone that has the one before.
    Key {
        /// The one before; refused if it is another one by now.
        before: Option<KeyId>,
        /// The number of the newest version when it was made; refused if there is a newer one.
        last: u64,
        /// The new one.
        record: KeyRecord,
        /// Every version of every secret, with its data key wrapped with the new one. What is not among them goes.
        #[serde(deserialize_with = "by_number")]
        sealed: BTreeMap<u64, Sealed>,
    },
}

/// Numbers that are keys are texts in JSON, and within an enum that is told apart by a field they stay texts unless they are
/// read as such.
fn by_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u64, Sealed>, D::Error> {
    let texts = BTreeMap::<String, Sealed>::deserialize(deserializer)?;
    let number = |(text, sealed): (String, Sealed)| Ok((text.parse().map_err(D::Error::custom)?, sealed));
    texts.into_iter().map(number).collect()
}

impl SecretStep {
    /// The secret that someone wants changed.
    pub(in crate::state) fn changes(&self) -> Option<&SecretId> {
        match self {
            Self::Set { id, .. } | Self::Remove { id, .. } => Some(id),
            Self::Public { .. } | Self::Grant { .. } | Self::Key { .. } => None,
        }
    }
}

impl State {
    pub(in crate::state) fn secret_step(&mut self, index: u64, at: u64, step: SecretStep) -> Result<Effect, String> {
        match step {
            SecretStep::Set { id, sealed, by } => self.set_secret(index, at, id, sealed, by),
            SecretStep::Remove { id, force } => self.remove_secret(at, &id, force),
            SecretStep::Public { server, public } => {
                if self.secrets.servers.get(&server) == Some(&public) {
                    return Ok(Effect::Nothing);
                }
                Arc::make_mut(&mut self.secrets).servers.insert(server, public);
                Ok(Effect::Noted)
            }
            SecretStep::Grant { server, key, grant } => {
                let secrets = Arc::make_mut(&mut self.secrets);
                let Some(record) = secrets.key.as_mut().filter(|record| record.id == key) else {
                    return Err("another key is used by now".into());
                };
                let event = format!("server {server}");
                record.granted.insert(server, grant);
                self.tell(at, EventKind::Secret, event, "can open secrets".into());
                Ok(Effect::Noted)
            }
            SecretStep::Key { before, last, record, sealed } => {
                self.change_key(at, before.as_ref(), last, record, sealed)
            }
        }
    }

    fn set_secret(&mut self, index: u64, at: u64, id: SecretId, sealed: Sealed, by: String) -> Result<Effect, String> {
        /// How many secrets there may be.
        const MOST: usize = 10_000;
        if self.secrets.key.as_ref().is_none_or(|key| key.id != sealed.key) {
            return Err("the key that secrets are sealed with has just been changed; try again".into());
        }
        if self.secrets.records.len() >= MOST && !self.secrets.records.contains_key(&id) {
            return Err(format!("there are {MOST} secrets already; remove some (`icefield secret rm NAME`)"));
        }
        let secrets = Arc::make_mut(&mut self.secrets);
        secrets.last += 1;
        let number = secrets.last;
        let record = secrets.records.entry(id.clone()).or_insert_with(|| SecretRecord { versions: BTreeMap::new() });
        record.versions.insert(number, Version { sealed, set: at, by });
        let (takers, keepers) = self.takers_of(&id);
        let of = |what: &str, names: &[Name]| match names.len() {
            0 => String::new(),
            _ => format!("; {what} {}", list(names)),
        };
        let (taken, kept) = (of("taken up by", &takers), of("not before the next apply by", &keepers));
        self.tell(at, EventKind::Secret, format!("secret {id}"), format!("set: version {number}{taken}{kept}"));
        let Some(spec) = self.spec_with_newest() else {
            self.forget_versions();
            return Ok(Effect::Noted);
        };
        let telling = self.take_up(index, at, spec);
        self.tell_all(telling);
        Ok(Effect::Basis)
    }

    fn remove_secret(&mut self, at: u64, id: &SecretId, force: bool) -> Result<Effect, String> {
        if !self.secrets.records.contains_key(id) {
            return Err(format!("there is no secret {id}; `icefield secret list` shows those that are"));
        }
        let users = self.users_of(id);
        if !users.is_empty() && !force {
            return Err(format!(
                "the secret {id} is used by {}; apply a file in which they do not name it, or remove it with --force: their \
                 replicas cannot be started again then",
                list(&users)
            ));
        }
        Arc::make_mut(&mut self.secrets).records.remove(id);
        self.tell(at, EventKind::Secret, format!("secret {id}"), "removed".into());
        Ok(Effect::Noted)
    }

    fn change_key(
        &mut self,
        at: u64,
        before: Option<&KeyId>,
        last: u64,
        record: KeyRecord,
        mut sealed: BTreeMap<u64, Sealed>,
    ) -> Result<Effect, String> {
        if self.secrets.key.as_ref().map(|key| &key.id) != before || self.secrets.last != last {
            return Err("the secrets or their key have changed meanwhile".into());
        }
        let secrets = Arc::make_mut(&mut self.secrets);
        for record in secrets.records.values_mut() {
            record.versions.retain(|number, version| match sealed.remove(number) {
                Some(sealed) => {
                    version.sealed = sealed;
                    true
                }
                None => false,
            });
        }
        secrets.records.retain(|_, record| !record.versions.is_empty());
        let servers = record.granted.iter().map(|(server, grant)| (server.clone(), grant.public.clone()));
        secrets.servers = servers.collect();
        let message = match before {
            None => "secrets are sealed with it".to_owned(),
            Some(_) => "a new one is used: a server that has the one before is gone".to_owned(),
        };
        secrets.key = Some(record);
        self.tell(at, EventKind::Secret, "key of the secrets".into(), message);
        Ok(Effect::Noted)
    }
}

fn list(names: &[Name]) -> String {
    const SHOWN: usize = 10;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(ToString::to_string).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}
