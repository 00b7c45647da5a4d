use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of when an answer is that a server gave from what it has, without asking the others: it may be out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stale {
    /// The version of the server's state.
    pub version: u64,
    /// When it last heard of a leader, or was one that most servers listened to, in milliseconds since 1970; `None` if
    /// it has not since it was started.
    pub leader_heard: Option<u64>,
}

impl Stale {
    /// The header of every answer that may be out of date. Its value is `version=N`, and `; leader-heard=MILLISECONDS` if
    /// a leader was heard of.
    pub const HEADER: &str = "icefield-stale";

    /// The header's value.
    pub fn header(&self) -> String {
        match self.leader_heard {
            Some(heard) => format!("version={}; leader-heard={heard}", self.version),
            None => format!("version={}", self.version),
        }
    }
}
