use std::io;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::Body;

pub(super) type Answer = Response<Body>;

/// Why a request is not done: a status and a line for people.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Too much is under way.
    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too much is being sent; come again in a second")
    }

    /// What goes wrong with an upload, which may be what the client has sent.
    pub(super) fn of_upload(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, InvalidData, InvalidInput, UnexpectedEof, Unsupported};
        let status = match error.kind() {
            FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            InvalidData | InvalidInput | UnexpectedEof => StatusCode::UNPROCESSABLE_ENTITY,
            _ => return error.into(),
        };
        Self::new(status, error.to_string())
    }

    pub(super) fn answer(self) -> Answer {
        let mut answer = text(self.status, format!("{}\n", self.message));
        let headers = answer.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"uploads\", Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// What goes wrong here, whatever it is: also what is here may be damaged.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let status = match error.kind() {
            StorageFull | QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// A line for people.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", Body::Whole(text.into()))
}

pub(super) fn answer(status: StatusCode, kind: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
