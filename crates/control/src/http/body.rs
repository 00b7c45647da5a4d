use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use icefield_api::ErrorCode;
use serde::de::DeserializeOwned;

use super::blocking::blocking;
use super::failure::Failure;

/// The most that a request's body may hold.
pub(crate) const LIMIT: usize = 64 << 20;

/// How long a sender may pause within a body.
const PAUSE: Duration = Duration::from_secs(10);

/// A body from which on reading it as JSON takes so long that other tasks would notice.
const LARGE: usize = 256 << 10;

/// Reads a request's body to its end.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Failure> {
    let too_large = || {
        let message = format!("the body is larger than {} MiB", limit >> 20);
        Failure::new(ErrorCode::TooLarge, message)
    };
    if usize::try_from(http_body_size(&body)).is_ok_and(|size| size > limit) {
        return Err(too_large());
    }
    let mut chunks = body.into_data_stream();
    let mut whole = BytesMut::new();
    loop {
        let chunk = match tokio::time::timeout(PAUSE, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Err(Failure::invalid(format!("the body ended early: {error}"))),
            Ok(None) => return Ok(whole.freeze()),
            Err(_) => return Err(Failure::invalid(format!("the body did not go on for {} seconds", PAUSE.as_secs()))),
        };
        if whole.len() + chunk.len() > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
}

/// The least that a body will hold, as its sender says.
fn http_body_size(body: &Body) -> u64 {
    hyper::body::Body::size_hint(body).lower()
}

/// Reads a body as JSON.
pub(crate) async fn json<T: DeserializeOwned + Send + 'static>(body: Bytes) -> Result<T, Failure> {
    let large = body.len() > LARGE;
    let parse = move || {
        serde_json::from_slice(&body)
            .map_err(|error| Failure::invalid(format!("the body is not what this operation takes: {error}")))
    };
    if large { blocking(parse).await? } else { parse() }
}
