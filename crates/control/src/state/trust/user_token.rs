use std::collections::BTreeSet;

use icefield_api::{Role, TokenProof, UserTokenStatus};
use icefield_pki::{Fingerprint, TokenHash, TokenId, UserToken};
use icefield_spec::Name;
use serde::{Deserialize, Serialize};

use super::Trust;

/// What a person or a program may do, and the secrets that prove who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// What it may do.
    pub role: Role,
    /// The namespaces that it may change; all if empty.
    pub namespaces: BTreeSet<Name>,
    /// The secrets; two while one takes over from the other.
    pub secrets: Vec<Secret>,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
    /// Who made it.
    pub by: String,
}

/// One secret of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its id.
    pub id: TokenId,
    /// What verifies it.
    pub hash: TokenHash,
    /// The authority that the token names.
    pub authority: Fingerprint,
    /// When it ends, in milliseconds since 1970; `None` for never.
    pub expires: Option<u64>,
}

/// How many users there may be.
const MOST: usize = 1_000;

impl Secret {
    /// What is known of a token, which ends at `expires`.
    pub fn new(proof: TokenProof, expires: Option<u64>) -> Self {
        Self { id: proof.id, hash: proof.hash, authority: proof.authority, expires }
    }

    fn is_good(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl UserRecord {
    /// What there is to say of it.
    pub fn status(&self, name: &Name, now: u64) -> UserTokenStatus {
        let good = self.secrets.iter().filter(|secret| secret.is_good(now));
        UserTokenStatus {
            name: name.clone(),
            role: self.role,
            namespaces: self.namespaces.clone(),
            created: self.created,
            by: self.by.clone(),
            secrets: good.map(|secret| (secret.id, secret.expires)).collect(),
        }
    }
}

impl Trust {
    /// Whose token this is.
    ///
    /// # Errors
    /// Nobody's, or it has ended.
    pub fn user(&self, token: &UserToken, now: u64) -> Result<(&Name, &UserRecord), &'static str> {
        let known = self.users.iter().find_map(|(name, record)| {
            let secret = record.secrets.iter().find(|secret| secret.id == token.id())?;
            token.verify(&secret.hash).then_some((name, record, secret))
        });
        match known {
            Some((name, record, secret)) if secret.is_good(now) => Ok((name, record)),
            Some(_) => Err("this token has ended; ask an admin for a new one"),
            None => Err("this token is not known here: it was revoked, or is another cluster's"),
        }
    }

    pub(super) fn create_user(&mut self, at: u64, name: Name, record: UserRecord) -> Result<(), String> {
        if self.users.contains_key(&name) {
            return Err(format!(
                "{name} has a token already; `icefield token rotate {name}` gives another one, `icefield token revoke {name}` \
                 takes it away"
            ));
        }
        if self.users.len() >= MOST {
            return Err(format!("there are {MOST} users already; revoke the tokens of some"));
        }
        if record.role == Role::Admin && !record.namespaces.is_empty() {
            return Err(
                "an admin is one of the whole cluster; leave the namespaces out, or take the role deployer".into()
            );
        }
        if record.secrets.iter().any(|secret| !secret.is_good(at)) {
            return Err("the token would have ended already; say another --valid".into());
        }
        self.check_free(&record.secrets)?;
        self.users.insert(name, record);
        Ok(())
    }

    /// Gives a user another secret; those before end after `overlap` milliseconds.
    pub(super) fn rotate_user(&mut self, at: u64, name: &Name, next: Secret, overlap: u64) -> Result<(), String> {
        self.check_free(std::slice::from_ref(&next))?;
        let record = self.users.get_mut(name).ok_or_else(|| unknown(name))?;
        record.secrets.retain(|secret| secret.is_good(at));
        let ends = at.saturating_add(overlap);
        for secret in &mut record.secrets {
            secret.expires = Some(secret.expires.map_or(ends, |expires| expires.min(ends)));
        }
        record.secrets.retain(|secret| secret.is_good(at));
        record.secrets.push(next);
        Ok(())
    }

    pub(super) fn revoke_user(&mut self, name: &Name) -> Result<(), String> {
        let admins = self.users.iter().filter(|(other, record)| *other != name && record.role == Role::Admin).count();
        let record = self.users.get(name).ok_or_else(|| unknown(name))?;
        if record.role == Role::Admin && admins == 0 {
            return Err(format!(
                "{name} is the only admin; make another one first (`icefield token create NAME --role admin`)"
            ));
        }
        self.users.remove(name);
        Ok(())
    }

    fn check_free(&self, secrets: &[Secret]) -> Result<(), String> {
        let mut known = self.users.values().flat_map(|record| &record.secrets);
        match known.any(|known| secrets.iter().any(|secret| secret.id == known.id)) {
            true => Err("there is a token of this id already; make another one".into()),
            false => Ok(()),
        }
    }
}

fn unknown(name: &Name) -> String {
    format!("{name} has no token; `icefield token list` shows who has")
}
