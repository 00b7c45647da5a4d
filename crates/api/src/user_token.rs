use std::collections::BTreeSet;

use icefield_pki::{Fingerprint, TokenHash, TokenId};
use icefield_spec::{Millis, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Role;

/// What the cluster is to know of a token's secret, which stays where it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenProof {
    /// The token's id.
    pub id: TokenId,
    /// The hash of its secret.
    pub hash: TokenHash,
    /// The authority that it names.
    pub authority: Fingerprint,
}

/// Makes the token of a person or a program known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserTokenRequest {
    /// Whose it is: the name that stands in the audit log.
    pub name: Name,
    /// What verifies it.
    pub token: TokenProof,
    /// What it lets its bearer do.
    pub role: Role,
    /// The namespaces that it lets its bearer change; all if empty.
    #[serde(default)]
    pub namespaces: BTreeSet<Name>,
    /// For how long it is good; until it is revoked if absent.
    #[serde(default)]
    pub valid: Option<Millis>,
}

/// Gives someone another secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserTokenRotation {
    /// What verifies the new one.
    pub token: TokenProof,
    /// For how long the old one stays good.
    pub overlap: Millis,
}

/// Someone's token, as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserTokenStatus {
    /// Whose it is.
    pub name: Name,
    /// What it lets its bearer do.
    pub role: Role,
    /// The namespaces that it lets its bearer change; all if empty.
    pub namespaces: BTreeSet<Name>,
    /// When it was made, in milliseconds since 1970 (UTC).
    pub created: u64,
    /// Who made it.
    pub by: String,
    /// The secrets that are good, each with its end if it has one: two while one takes over from the other.
    pub secrets: Vec<(TokenId, Option<u64>)>,
}

/// The tokens of people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserTokens {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The tokens, by name.
    pub tokens: Vec<UserTokenStatus>,
}
