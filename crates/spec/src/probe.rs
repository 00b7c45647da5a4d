use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Millis, Name};

/// How to tell whether a replica is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// The time from one question to the next.
    #[serde(default = "Health::default_interval")]
    pub interval: Millis,
    /// How long an answer may take.
    #[serde(default = "Health::default_timeout")]
    pub timeout: Millis,
    /// How many failures in a row make it unhealthy.
    #[serde(default = "Health::default_threshold")]
    pub threshold: u32,
    /// How long a replica may take from its start to its first good answer.
    #[serde(default = "Health::default_grace")]
    pub grace: Millis,
}

impl Health {
    /// Two seconds.
    pub const fn default_interval() -> Millis {
        Millis::new(2_000)
    }

    /// One second.
    pub const fn default_timeout() -> Millis {
        Millis::new(1_000)
    }

    /// Three failures.
    pub const fn default_threshold() -> u32 {
        3
    }

    /// Thirty seconds.
    pub const fn default_grace() -> Millis {
        Millis::new(30_000)
    }
}

/// A question to a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Probe {
    /// `GET path` on the named port; good is any status from 200 to 399.
    Http {
        /// The path, starting with `/`.
        path: String,
        /// The name of one of the service's ports.
        port: Name,
    },
    /// A connection to the named port.
    Tcp {
        /// The name of one of the service's ports.
        port: Name,
    },
    /// A command in the replica's environment; good is exit status 0.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

impl Probe {
    /// The port it asks, if it does.
    pub const fn port(&self) -> Option<&Name> {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => Some(port),
            Self::Exec { .. } => None,
        }
    }
}
