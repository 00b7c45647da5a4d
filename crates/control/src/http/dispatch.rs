use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use icefield_api::{IdempotencyKey, Stale};
use tokio::sync::watch;
use tokio::time::Instant;

use super::admission::{Admitted, Holder};
use super::app::App;
use super::body;
use super::failure::{Failure, is_again, is_perhaps_done};
use super::forward::{self, ForwardError};
use super::guard;
use super::headers::{FORWARDED, KEY};
use super::kind::{Kind, body_limit, is_write};
use super::reading::is_stale;
use crate::raft::{Leader, Member};

/// Has a request answered by the leader: by this server if it leads, else by the one that does. Whoever wants an answer
/// that may be out of date gets this server's own.
///
/// While there is no leader it waits for one, so that clients need not know of an election. What was lost on the way is sent
/// again: a request that changes something has a key, and is carried out once.
pub(crate) async fn dispatch(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let (admitted, body) = match let_in(&app, &parts, body).await {
        Ok(admitted) => admitted,
        Err(failure) => return failure.into_response(),
    };
    let kind = Kind::of(&parts.method, &parts.uri);
    let answer = match with_key(&mut parts) {
        // In boxes: thousands of requests wait, and each would hold room for both.
        Ok(()) if is_stale(&parts.method, &parts.uri) => Ok(Box::pin(own_answer(&app, parts, body, next)).await),
        Ok(()) => Box::pin(leaders_answer(&app, &parts, body, &next)).await,
        Err(failure) => Err(failure),
    };
    admitted.until_sent(kind, answer.unwrap_or_else(IntoResponse::into_response))
}

/// Reads a request's body and lets the request in.
async fn let_in(app: &Arc<App>, parts: &Parts, body: Body) -> Result<(Admitted, Bytes), Failure> {
    let (method, kind) = (&parts.method, Kind::of(&parts.method, &parts.uri));
    app.admission.check(kind)?;
    let limit = body_limit(method, parts.uri.path());
    let holder = match hyper::body::Body::is_end_stream(&body) {
        true => Holder::Strangers,
        false => guard::holder(app, parts, kind, limit).await?,
    };
    let mut held = app.admission.body(holder);
    let body = body::read(body, limit, |bytes| held.hold(bytes)).await?;
    Ok((app.admission.admit(kind, held)?, body))
}

/// Checks the key of a request that changes something, and gives it one if it has none.
fn with_key(parts: &mut Parts) -> Result<(), Failure> {
    if !is_write(&parts.method, parts.uri.path()) {
        return Ok(());
    }
    match parts.headers.get(KEY) {
        Some(key) => {
            let key = key.to_str().unwrap_or_default().parse::<IdempotencyKey>();
            key.map(drop).map_err(Failure::invalid)
        }
        None => {
            let key = HeaderValue::from_str(IdempotencyKey::fresh().as_str());
            parts.headers.insert(KEY, key.map_err(|error| Failure::invalid(error.to_string()))?);
            Ok(())
        }
    }
}

/// What this server has to say itself; also that something is not there may be out of date.
async fn own_answer(app: &App, parts: Parts, body: Bytes, next: Next) -> Response {
    let stale = app.stale(&*app.group.state().await).header();
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if let Ok(stale) = HeaderValue::from_str(&stale) {
        response.headers_mut().entry(HeaderName::from_static(Stale::HEADER)).or_insert(stale);
    }
    response
}

async fn leaders_answer(app: &App, parts: &Parts, body: Bytes, next: &Next) -> Result<Response, Failure> {
    /// The pause before a leader that cannot be reached is tried again.
    const PAUSE: Duration = Duration::from_millis(20);
    let forwarded = parts.headers.contains_key(FORWARDED);
    let until = Instant::now() + app.timings.patience;
    let mut leader = app.group.leader();
    // Whether some leader may have carried it out.
    let mut lost = false;
    loop {
        let now = leader.borrow_and_update().clone();
        match now {
            Leader::Me(_) => {
                let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
                let response = next.clone().run(request).await;
                if !is_again(response.headers()) || forwarded || Instant::now() >= until {
                    return Ok(response);
                }
                lost |= is_perhaps_done(response.headers());
            }
            // Two servers that take each other for the leader must not send a request to and fro.
            _ if forwarded => return Err(Failure::not_leader()),
            Leader::Other(member) => match pass_on(app, &member, &mut leader, parts, body.clone()).await {
                Ok(response) if !is_again(response.headers()) => return Ok(response),
                Ok(response) => lost |= is_perhaps_done(response.headers()),
                Err(ForwardError::NotSent) => {}
                Err(ForwardError::Lost) => lost = true,
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
            let unknown = lost && is_write(&parts.method, parts.uri.path());
            return Err(if unknown { Failure::unknown() } else { Failure::not_leader() });
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
        response = Box::pin(forward::forward(app, to, parts, body)) => response,
        _ = leader.wait_for(replaced) => Err(ForwardError::Lost),
    }
}
