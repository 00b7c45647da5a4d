use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;

use super::app::App;
use super::failure::is_not_leader;
use super::guard::{PEER, passed_on};
use super::watch::patience;
use crate::raft::Member;

/// Marks a request that a server has passed on; it is not passed on again.
pub(crate) const FORWARDED: HeaderName = HeaderName::from_static("icefield-forwarded");

/// Why another server gave no answer to a request that was passed on.
#[derive(Debug)]
pub(crate) enum ForwardError {
    /// It could not be reached, and has not seen the request.
    NotSent,
    /// It may have seen the request, and carried it out.
    Lost,
}

/// Passes a request on to another server; the answer's body comes as it is sent.
pub(crate) async fn forward(app: &App, to: &Member, parts: &Parts, body: Bytes) -> Result<Response, ForwardError> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = app.http.get().request(parts.method.clone(), format!("{}{path}", to.api));
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        request = request.header(CONTENT_TYPE, kind);
    }
    if let Some(token) = parts.headers.get(AUTHORIZATION) {
        request = request.header(AUTHORIZATION, token);
    }
    if let Some(peer) = passed_on(parts) {
        request = request.header(PEER, peer);
    }
    let request = request.header(FORWARDED, "1").body(body);
    let answer = match tokio::time::timeout(patience(&parts.uri), request.send()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.is_connect() => return Err(ForwardError::NotSent),
        Ok(Err(_)) | Err(_) => return Err(ForwardError::Lost),
    };
    Ok(relay(answer))
}

/// An answer of another program as this server's own.
pub(crate) fn relay(answer: reqwest::Response) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(CONTENT_TYPE).cloned();
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    if is_not_leader(answer.headers()) {
        return axum::response::IntoResponse::into_response(super::failure::Failure::not_leader());
    }
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
