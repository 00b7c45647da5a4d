use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What kind of error.
    pub code: ErrorCode,
    /// What happened and what to do next.
    pub message: String,
    /// More of it, a line each: the problems of a spec, the reasons of unplaced replicas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is not what it should be: 400.
    Invalid,
    /// The spec has problems: 422.
    InvalidSpec,
    /// The spec names secrets that are not there: 422.
    UnknownSecret,
    /// Some replicas would fit nowhere: 422.
    Unplaced,
    /// Nobody in particular asks, or with a token that is not good: 401.
    Unauthenticated,
    /// Whoever asks may not: 403.
    Forbidden,
    /// There is no such thing: 404.
    NotFound,
    /// The path is there, the method is not: 405.
    MethodNotAllowed,
    /// The body is too large: 413.
    TooLarge,
    /// The state does not allow it: 409.
    Conflict,
    /// What was planned is no longer what would happen: 409.
    PlanOutdated,
    /// The idempotency key was another request's: 422.
    KeyReused,
    /// So much is being done already that this was not begun; try again after the time in `Retry-After`: 429.
    Overloaded,
    /// No leader, or it did not answer in time; try again: 503.
    Unavailable,
    /// The disk is nearly full, so nothing can be changed: 507.
    ReadOnly,
    /// A fault of the server's own: 500.
    Internal,
}

impl ErrorBody {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new() }
    }
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::InvalidSpec | Self::UnknownSecret | Self::Unplaced | Self::KeyReused => 422,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::Conflict | Self::PlanOutdated => 409,
            Self::Overloaded => 429,
            Self::Unavailable => 503,
            Self::ReadOnly => 507,
            Self::Internal => 500,
        }
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.details.iter().try_for_each(|detail| write!(f, "\n  {detail}"))
    }
}
