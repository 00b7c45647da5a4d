use serde::{Deserialize, Serialize};

use super::{Author, Command};

/// A command with what must be known of where it comes from, as the log carries both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The command.
    #[serde(flatten)]
    pub command: Command,
    /// Who asked for it; `None` if the leader itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
}

impl From<Command> for Proposal {
    fn from(command: Command) -> Self {
        Self { command, author: None }
    }
}
