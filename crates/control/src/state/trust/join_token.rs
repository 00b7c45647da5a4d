use icefield_api::JoinRole;
use icefield_pki::{Chain, Identity, JoinToken, TokenHash, TokenId};
use icefield_spec::{Name, Revision};
use serde::{Deserialize, Serialize};

use super::{Enrolment, Trust};

/// A token that lets one machine join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRecord {
    /// What verifies it.
    pub hash: TokenHash,
    /// As what the machine joins.
    pub role: JoinRole,
    /// The only name that it is good for.
    pub name: Option<Name>,
    /// When it ends, in milliseconds since 1970.
    pub expires: u64,
    /// Who made it.
    pub by: String,
    /// What it was used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
}

/// What a join token was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The hash of the request that it came with.
    pub request: Revision,
    /// What was issued for it, in case that the answer got lost.
    pub chain: Chain,
}

/// How many may be known at once.
const MOST: usize = 1_000;

impl Trust {
    /// The longest that a join token may be good for, in milliseconds: a week.
    pub const LONGEST_JOIN: u64 = 7 * 24 * 3_600_000;

    /// What is known of a join token that is good, or that was used for the same request as `request` is the hash of.
    ///
    /// # Errors
    /// It is not good, and why.
    pub fn joining(&self, token: &JoinToken, request: Revision, now: u64) -> Result<&JoinRecord, String> {
        let known = self.join_tokens.get(&token.id()).filter(|record| token.verify(&record.hash));
        let record = known.ok_or_else(|| {
            "this join token is not known here: it was revoked, or has ended long ago, or is another cluster's; make a new one"
                .to_owned()
        })?;
        record.check(request, now)?;
        Ok(record)
    }

    pub(super) fn create_join_token(&mut self, at: u64, id: TokenId, record: JoinRecord) -> Result<(), String> {
        // What has ended says for another week why it is refused.
        self.join_tokens.retain(|_, known| known.expires.saturating_add(Self::LONGEST_JOIN) > at);
        if self.join_tokens.contains_key(&id) {
            return Err("there is a join token of this id already; make another one".into());
        }
        if self.join_tokens.len() >= MOST {
            return Err(format!("there are {MOST} join tokens already; revoke some that are not needed"));
        }
        if record.expires <= at || record.expires > at.saturating_add(Self::LONGEST_JOIN) {
            return Err("a join token is good for a second to seven days; say another --valid".into());
        }
        self.join_tokens.insert(id, record);
        Ok(())
    }

    /// Enrols a machine and spends its token, both or neither; whether that is new.
    pub(super) fn enrol(&mut self, at: u64, token: TokenId, request: Revision, chain: Chain) -> Result<bool, String> {
        if Some(chain.authority()) != self.mark.map(|mark| mark.signer) {
            return Err("the authority was changed in this very moment; join again with the same token".into());
        }
        let identity = chain.identity().clone();
        let record = self.join_tokens.get(&token).ok_or("this join token was revoked")?;
        record.check(request, at)?;
        if record.used.is_some() {
            return Ok(false);
        }
        record.allows(&identity)?;
        // A token for exactly this name is an operator's wish to replace whoever has it.
        if record.name.is_none() && self.enrolled.contains_key(&identity) {
            return Err(taken(&identity));
        }
        if self.enrolled.get(&identity).is_some_and(|before| chain.starts() <= before.latest()) {
            return Err("a certificate was renewed in this very moment; join again with the same token".into());
        }
        self.enrolled.insert(identity, Enrolment::first(&chain, at));
        if let Some(record) = self.join_tokens.get_mut(&token) {
            record.used = Some(Used { request, chain });
        }
        Ok(true)
    }
}

impl JoinRecord {
    fn check(&self, request: Revision, now: u64) -> Result<(), String> {
        match &self.used {
            // A week, so that a reply that was lost in the last moment does not lock the machine out.
            Some(used) if used.request == request => Ok(()),
            Some(used) => {
                let identity = used.chain.identity();
                Err(format!("this join token was used already, by {identity}; each machine needs one of its own"))
            }
            None if self.expires <= now => Err("this join token has ended; make a new one".into()),
            None => Ok(()),
        }
    }

    /// Whether it lets this machine join.
    ///
    /// # Errors
    /// It does not, and why.
    pub fn allows(&self, identity: &Identity) -> Result<(), String> {
        let (role, name) = match identity {
            Identity::Server(name) => (JoinRole::Server, name),
            Identity::Node(name) => (JoinRole::Node, name),
        };
        if role != self.role {
            return Err(format!("this join token is for a {}, and not for a {role}", self.role));
        }
        match &self.name {
            Some(only) if only != name => Err(format!("this join token is for the {role} {only}, and not for {name}")),
            _ => Ok(()),
        }
    }
}

/// Why a name that another machine has is not given to a second one.
fn taken(identity: &Identity) -> String {
    match identity {
        Identity::Node(name) => format!(
            "there is a node {name} already; if this one replaces it, use a token made for it (`icefield join-token create \
             --node {name}`), else give this one another name"
        ),
        Identity::Server(name) => format!(
            "there is a server {name} already; remove it first (`icefield member remove {name}`), or give this one another \
             name"
        ),
    }
}
