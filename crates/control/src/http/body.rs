use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use icefield_api::ErrorCode;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::blocking::blocking;
use super::failure::Failure;
use super::limits::{BODY_PAUSE, BODY_TIME};

/// A body from which on reading it as JSON takes so long that other tasks would notice.
const LARGE: usize = 256 << 10;

/// Reads a request's body to its end; `hold` is asked for room for all that there is of it, again and
/// again as it grows.
pub(crate) async fn read(
    body: Body,
    limit: usize,
    mut hold: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<Bytes, Failure> {
    let too_large = || Failure::new(ErrorCode::TooLarge, format!("the body is larger than {}", size(limit)));
    if usize::try_from(least(&body)).map_or(true, |size| size > limit) {
        return Err(too_large());
    }
    let mut chunks = body.into_data_stream();
    let mut whole = BytesMut::new();
    let end = Instant::now() + BODY_TIME;
    loop {
        let pause = Instant::now() + BODY_PAUSE;
        let chunk = match tokio::time::timeout_at(pause.min(end), chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Err(Failure::invalid(format!("the body ended early: {error}"))),
            Ok(None) => return Ok(whole.freeze()),
            Err(_) if pause < end => {
                return Err(Failure::invalid(format!("the body did not go on for {} seconds", BODY_PAUSE.as_secs())));
            }
            Err(_) => {
                return Err(Failure::invalid(format!("the body was not there after {} seconds", BODY_TIME.as_secs())));
            }
        };
        if whole.len() + chunk.len() > limit {
            return Err(too_large());
        }
        hold(whole.len() + chunk.len())?;
        whole.extend_from_slice(&chunk);
    }
}

/// The least that a body will hold, as its sender says.
fn least(body: &Body) -> u64 {
    hyper::body::Body::size_hint(body).lower()
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
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
