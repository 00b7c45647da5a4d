use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The servers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Servers {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// By name.
    pub servers: Vec<ServerEntry>,
}

/// One server, as the one that leads sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerEntry {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub api: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it votes; one that does not is catching up.
    pub voter: bool,
    /// Whether it answers the one that leads.
    pub answers: bool,
}

/// A server's wish to be one of the cluster's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// Its name; no other server may have it.
    pub name: String,
    /// The URL that the others will reach it by.
    pub api: String,
    /// The server whose place it takes: that one is removed when this one has caught up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// What a server that joins must know. It is sent the state, and gets its vote when it has caught up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// Its number among the servers.
    pub number: u64,
    /// What the servers call their group.
    pub group: String,
}

/// A server is reached at another URL now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerMove {
    /// The URL.
    pub api: String,
}
