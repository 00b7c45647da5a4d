use axum::Json;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use icefield_api::{ErrorBody, ErrorCode};

use crate::ProposeError;

/// Marks an answer of a server that does not lead, though it was asked as if it did. The request was not carried out.
const NOT_LEADER: HeaderName = HeaderName::from_static("icefield-not-leader");

/// Why a request is not answered as its sender wished.
#[derive(Debug)]
pub(crate) struct Failure {
    body: ErrorBody,
    not_leader: bool,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorBody::new(code, message).into()
    }

    /// The request itself is at fault.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// There is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// This server ends; another one may be asked.
    pub(crate) fn ending() -> Self {
        Self::new(ErrorCode::Unavailable, "this server is ending; ask another one")
    }

    /// This server does not lead; another one may be asked.
    pub(crate) fn not_leader() -> Self {
        let body = ErrorBody::new(ErrorCode::Unavailable, "the servers have no leader at the moment; try again");
        Self { body, not_leader: true }
    }
}

/// Whether an answer is that of a server that does not lead.
pub(crate) fn is_not_leader(headers: &HeaderMap) -> bool {
    headers.contains_key(NOT_LEADER)
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self { body, not_leader: false }
    }
}

impl From<ProposeError> for Failure {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader => Self::not_leader(),
            ProposeError::Unknown => Self::new(
                ErrorCode::Unavailable,
                "the servers could not agree in time: most of them may be down; the change may be done or not, look at \
                 the status before you try again",
            ),
            ProposeError::Unconfirmed => Self::new(
                ErrorCode::Unavailable,
                "most of the servers do not answer, so what is true cannot be known for sure; see whether they run and \
                 reach each other",
            ),
            ProposeError::Full(full) => Self::new(ErrorCode::ReadOnly, full.to_string()),
            ProposeError::Stopped(reason) => Self::new(ErrorCode::Unavailable, format!("this server stops: {reason}")),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.body.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        if self.not_leader {
            response.headers_mut().insert(NOT_LEADER, axum::http::HeaderValue::from_static("1"));
        }
        response
    }
}
