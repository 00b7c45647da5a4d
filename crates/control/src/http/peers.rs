use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::body;
use crate::raft::{GROUP_HEADER, Rpc, RpcError, TO_HEADER};

/// The most that a message between servers may hold: a snapshot of the largest state.
const LIMIT: usize = 4 << 30;

/// Answers another server of the group.
pub(crate) async fn answer(rpc: Rpc, State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = match body::read(body, LIMIT).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    match app.group.answer(rpc, header(GROUP_HEADER), header(TO_HEADER), body).await {
        Ok(answer) => answer.into_response(),
        Err(error) => {
            let status = match error {
                RpcError::Misdirected => StatusCode::MISDIRECTED_REQUEST,
                RpcError::Malformed(_) => StatusCode::BAD_REQUEST,
                RpcError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
                RpcError::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, error.to_string()).into_response()
        }
    }
}
