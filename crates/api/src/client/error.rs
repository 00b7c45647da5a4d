use crate::{ErrorBody, ErrorCode};

/// Why a request brought no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No server could be reached.
    #[error("no server of the cluster answers ({})", servers.join(", "))]
    Unreachable {
        /// The servers that were tried.
        servers: Vec<String>,
        /// Why the last one could not be reached.
        #[source]
        source: reqwest::Error,
    },
    /// A server said no.
    #[error("{0}")]
    Refused(ErrorBody),
    /// The request cannot be written as JSON.
    #[error("the request cannot be written as JSON: {0}")]
    Unwritable(String),
    /// A server answered something else than its API says.
    #[error("{server} answered with something that is not of Icefield's API: {reason}")]
    Foreign {
        /// The server.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// Whether the same request may well succeed in a moment: a server is being started anew, or a leader chosen.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(body) => matches!(body.code, ErrorCode::Unavailable | ErrorCode::Overloaded),
            Self::Unwritable(_) | Self::Foreign { .. } => false,
        }
    }
}
