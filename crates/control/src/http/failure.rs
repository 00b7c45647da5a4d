use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use icefield_api::{ErrorBody, ErrorCode};

use super::limits;
use crate::ProposeError;

/// Marks an answer of a server that could not see a request through: it does not lead, or no longer did when it was done.
/// The request may be sent again, because a key sees to it that it is carried out once. Its value says whether it may have been.
const AGAIN: HeaderName = HeaderName::from_static("icefield-again");
const NOT_DONE: HeaderValue = HeaderValue::from_static("not-done");
const PERHAPS_DONE: HeaderValue = HeaderValue::from_static("perhaps-done");

/// Why a request is not answered as its sender wished.
#[derive(Debug)]
pub(crate) struct Failure {
    body: ErrorBody,
    again: Option<HeaderValue>,
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
        Self { body, again: Some(NOT_DONE) }
    }

    /// Nobody can say whether the request was carried out.
    pub(crate) fn unknown() -> Self {
        let body = ErrorBody::new(
            ErrorCode::Unavailable,
            "the servers could not agree in time: most of them may be down; the change may be done or not. Sent again with \
             the same idempotency key it is done once; without one, look at the status first",
        );
        Self { body, again: Some(PERHAPS_DONE) }
    }
}

/// Whether the request of this answer may be sent again.
pub(crate) fn is_again(headers: &HeaderMap) -> bool {
    headers.contains_key(AGAIN)
}

/// Whether it may be, and may have been carried out.
pub(crate) fn is_perhaps_done(headers: &HeaderMap) -> bool {
    headers.get(AGAIN) == Some(&PERHAPS_DONE)
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self { body, again: None }
    }
}

impl From<ProposeError> for Failure {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader => Self::not_leader(),
            ProposeError::Unknown => Self::unknown(),
            ProposeError::Overloaded => {
                Self::new(ErrorCode::Overloaded, "the leading server has enough changes waiting; try again in a moment")
            }
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
        let overloaded = self.body.code == ErrorCode::Overloaded;
        let mut response = (status, Json(self.body)).into_response();
        if let Some(again) = self.again {
            response.headers_mut().insert(AGAIN, again);
        }
        if overloaded {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER));
        }
        response
    }
}
