use std::fmt;

use icefield_pki::{Identity, TokenHash, TokenId};
use icefield_spec::{Millis, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// As what a machine joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JoinRole {
    /// As a server.
    Server,
    /// As a node.
    Node,
}

impl fmt::Display for JoinRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Server => "server",
            Self::Node => "node",
        })
    }
}

/// Makes a join token known. Its secret stays where it was made: only what verifies it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinTokenRequest {
    /// Its id.
    pub id: TokenId,
    /// The hash of its secret.
    pub hash: TokenHash,
    /// As what it lets a machine join.
    pub role: JoinRole,
    /// The only name that it is good for; it may then replace a machine that has it.
    #[serde(default)]
    pub name: Option<Name>,
    /// For how long it is good.
    pub valid: Millis,
}

/// A join token, as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinTokenStatus {
    /// Its id.
    pub id: TokenId,
    /// As what it lets a machine join.
    pub role: JoinRole,
    /// The only name that it is good for.
    pub name: Option<Name>,
    /// When it ends, in milliseconds since 1970 (UTC).
    pub expires: u64,
    /// Who made it.
    pub by: String,
    /// Who has used it.
    pub used_by: Option<Identity>,
}

/// The join tokens that are known: those that are good, and some that were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinTokens {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The tokens.
    pub tokens: Vec<JoinTokenStatus>,
}
