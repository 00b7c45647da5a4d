use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use icefield_api::{IdempotencyKey, ServerStatus};

use super::app::App;
use super::failure::{Failure, is_again, is_perhaps_done};
use super::guard::passed_on;
use super::headers::{FORWARDED, PEER};
use super::watch::patience;
use crate::raft::Member;

/// Names the leader in an answer that it gave through another server: who goes there next time spares both the way.
const LEADER: HeaderName = HeaderName::from_static(ServerStatus::LEADER_HEADER);

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
    for name in [CONTENT_TYPE, AUTHORIZATION, HeaderName::from_static(IdempotencyKey::HEADER)] {
        if let Some(value) = parts.headers.get(&name) {
            request = request.header(name, value);
        }
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
    let mut response = relay(answer);
    if let Ok(leader) = HeaderValue::from_str(&to.api) {
        response.headers_mut().insert(LEADER, leader);
    }
    Ok(response)
}

/// An answer of another program as this server's own.
pub(crate) fn relay(answer: reqwest::Response) -> Response {
    let status = answer.status();
    let header = |name| answer.headers().get(name).cloned();
    let kind = header(CONTENT_TYPE).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let retry = header(RETRY_AFTER);
    if is_perhaps_done(answer.headers()) {
        return Failure::unknown().into_response();
    }
    if is_again(answer.headers()) {
        return Failure::not_leader().into_response();
    }
    // It keeps how long it is, which tells what it holds until it is sent.
    let mut response = Response::new(Body::new(reqwest::Body::from(answer)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if let Some(retry) = retry {
        response.headers_mut().insert(RETRY_AFTER, retry);
    }
    response
}
