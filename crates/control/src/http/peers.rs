use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use icefield_api::ErrorCode;

use super::app::App;
use super::body;
use super::failure::Failure;
use super::guard::may_be_peer;
use super::limits::PEER_BODY;
use crate::raft::{GROUP_HEADER, Leader, Rpc, RpcError, TO_HEADER};

/// Answers another server of the group.
pub(crate) async fn answer(
    rpc: Rpc,
    State(app): State<Arc<App>>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !may_be_peer(&app, &extensions).await {
        let message = "this is for the servers of the group alone, by their certificates";
        return Failure::new(ErrorCode::Forbidden, message).into_response();
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Before anything of it is held.
    if !app.group.is_meant(header(GROUP_HEADER), header(TO_HEADER)) {
        return refusal(&RpcError::Misdirected);
    }
    let body = match body::read(body, PEER_BODY, |_| Ok(())).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    match app.group.answer(rpc, header(GROUP_HEADER), header(TO_HEADER), body).await {
        Ok(answer) => {
            if rpc == Rpc::Append && matches!(*app.group.leader().borrow(), Leader::Other(_)) {
                app.leader_heard.store(app.clock.now(), Ordering::Relaxed);
            }
            answer.into_response()
        }
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &RpcError) -> Response {
    let status = match error {
        RpcError::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        RpcError::Malformed(_) => StatusCode::BAD_REQUEST,
        RpcError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        RpcError::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string()).into_response()
}
