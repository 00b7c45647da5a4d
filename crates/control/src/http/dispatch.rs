use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use icefield_api::ErrorCode;
use tokio::sync::watch;
use tokio::time::Instant;

use super::app::App;
use super::body;
use super::failure::{Failure, is_not_leader};
use super::forward::{self, FORWARDED, ForwardError};
use crate::raft::{Leader, Member};

/// Has a request answered by the leader: by this server if it leads, else by the one that does.
///
/// While there is no leader it waits for one, so that clients need not know of an election.
pub(crate) async fn dispatch(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match body::read(body, body::LIMIT).await {
        Ok(body) => answer(&app, &parts, body, &next).await.unwrap_or_else(IntoResponse::into_response),
        Err(failure) => failure.into_response(),
    }
}

async fn answer(app: &App, parts: &Parts, body: Bytes, next: &Next) -> Result<Response, Failure> {
    /// The pause before a leader that cannot be reached is tried again.
    const PAUSE: Duration = Duration::from_millis(20);
    let forwarded = parts.headers.contains_key(FORWARDED);
    let until = Instant::now() + app.timings.patience;
    let mut leader = app.group.leader();
    loop {
        let now = leader.borrow_and_update().clone();
        match now {
            Leader::Me(_) => {
                let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
                let response = next.clone().run(request).await;
                if !is_not_leader(response.headers()) || forwarded || Instant::now() >= until {
                    return Ok(response);
                }
            }
            // Two servers that take each other for the leader must not send a request to and fro.
            _ if forwarded => return Err(Failure::not_leader()),
            Leader::Other(member) => match pass_on(app, &member, &mut leader, parts, body.clone()).await {
                Ok(response) if !is_not_leader(response.headers()) => return Ok(response),
                Ok(_) | Err(ForwardError::NotSent) => {}
                Err(ForwardError::Lost) if may_be_repeated(parts) => {}
                Err(ForwardError::Lost) => {
                    let message = format!(
                        "the leading server {} was lost while it worked on this; it may be done or not, look at the \
                         status before you try again",
                        member.name
                    );
                    return Err(Failure::new(ErrorCode::Unavailable, message));
                }
            },
            Leader::Nobody => {}
        }
        // A change is acted on at once; while there is none, it is tried again after a pause.
        let pause = if leader.borrow().clone() == Leader::Nobody { until } else { Instant::now() + PAUSE };
        tokio::select! {
            _ = leader.changed() => {}
            () = tokio::time::sleep_until(pause) => {}
        }
        if Instant::now() >= until {
            return Err(Failure::not_leader());
        }
    }
}

/// Passes a request on, and gives up on it when another server comes to lead: the one before may be stuck.
async fn pass_on(
    app: &App,
    to: &Member,
    leader: &mut watch::Receiver<Leader>,
    parts: &Parts,
    body: Bytes,
) -> Result<Response, ForwardError> {
    let replaced = |leader: &Leader| match leader {
        Leader::Me(_) => true,
        Leader::Other(member) => member != to,
        Leader::Nobody => false,
    };
    tokio::select! {
        response = forward::forward(app, to, parts, body) => response,
        _ = leader.wait_for(replaced) => Err(ForwardError::Lost),
    }
}

/// Whether a request does no harm if it is carried out twice.
fn may_be_repeated(parts: &Parts) -> bool {
    let path = parts.uri.path();
    parts.method.is_safe()
        || matches!(path, "/v1/plan" | "/v1/rebalance")
        || path.ends_with("/heartbeat")
        || path.ends_with("/alive")
}
