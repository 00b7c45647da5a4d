use std::sync::Arc;
use std::sync::PoisonError;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use icefield_api::{Access, ErrorBody, OPERATIONS, Operation, TrustMark};
use icefield_pki::Identity;

use super::admission::Holder;
use super::app::App;
use super::asker::Asker;
use super::failure::Failure;
use super::headers::{FORWARDED, PEER};
use super::kind::Kind;
use super::limits::SMALL_BODY;
use super::reading::is_stale;
use crate::access::{Caller, Denied, Peer, Presented, allows};
use crate::state::Author;
use crate::{Command, State as Agreed};

/// The first that sees a request: who shows nothing at all is sent away before a byte of its body is held, and every answer
/// says which bundle the cluster has.
pub(crate) async fn front(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let shows_nothing =
        peer(request.extensions()).presented == Presented::Nothing && token(request.headers()).is_none();
    let access = operation(request.method(), request.extensions()).map_or(Access::Admin, Operation::access);
    let mut response = if shows_nothing && access != Access::Anyone {
        let caller = Caller::Nobody("there is neither a token nor a certificate");
        match allows(&caller, access, None) {
            Err(denied) => Failure::from(denied).into_response(),
            Ok(()) => next.run(request).await,
        }
    } else {
        next.run(request).await
    };
    if let Some(mark) = app.group.state().await.trust.mark
        && let Ok(value) = HeaderValue::from_str(&mark.bundle.to_string())
    {
        response.headers_mut().insert(HeaderName::from_static(TrustMark::HEADER), value);
    }
    response
}

/// Lets a request through to its handler only if whoever sent it may.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&app, &parts).await {
        Ok(asker) => {
            parts.extensions.insert(asker);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// Among whose bodies that of a request is held, which may have `limit` bytes. Who is not known sends little, and shares its room
/// with others like it; who is not known for sure sends nothing large.
pub(crate) async fn holder(app: &Arc<App>, parts: &Parts, kind: Kind, limit: usize) -> Result<Holder, Failure> {
    let known = {
        let state = app.group.state().await;
        let presented = original(app, &state, parts).presented;
        let caller = Caller::of(&state.trust, &presented, token(&parts.headers), app.clock.now());
        !matches!(caller, Caller::Nobody(_))
    };
    if !known && limit > SMALL_BODY {
        admit(app, parts).await?;
    }
    Ok(match kind {
        _ if !known && limit <= SMALL_BODY => Holder::Strangers,
        Kind::Heartbeat => Holder::Agents,
        _ => Holder::Known,
    })
}

async fn admit(app: &Arc<App>, parts: &Parts) -> Result<Asker, Failure> {
    let state = app.group.state().await;
    let mut verdict = judge(app, &state, parts);
    // What this server knows may be out of date, also if it has just come to lead: nobody is refused for that, and nothing is
    // changed or told because of it. Only reports and plans are not asked for twice, of which there are too many.
    let many = matches!(Kind::of(&parts.method, &parts.uri), Kind::Heartbeat | Kind::NodePlan);
    let confirms = !many && !is_stale(&parts.method, &parts.uri);
    if (verdict.is_err() || confirms) && !state.trust.is_empty() {
        match app.state().await {
            Ok(state) => verdict = judge(app, &state, parts),
            // Whoever asks for what this server has itself is judged by that too.
            Err(_) if is_stale(&parts.method, &parts.uri) => {}
            Err(failure) => return Err(failure),
        }
    }
    verdict.map_err(|refusal| {
        let (denied, author) = *refusal;
        note(app, &denied, author);
        denied.into()
    })
}

/// Who sent the request, if it may.
fn judge(app: &App, state: &Agreed, parts: &Parts) -> Result<Asker, Box<(Denied, Author)>> {
    let now = app.clock.now();
    let Peer { from, presented } = original(app, state, parts);
    let caller = Caller::of(&state.trust, &presented, token(&parts.headers), now);
    let operation = operation(&parts.method, &parts.extensions);
    let author = Author {
        at: now,
        who: caller.to_string(),
        from,
        operation: operation.map_or("unknown", |operation| operation.id).to_owned(),
        subject: parts.uri.path().to_owned(),
        namespaces: caller.namespaces(),
    };
    let access = operation.map_or(Access::Admin, Operation::access);
    match allows(&caller, access, node(parts)) {
        Ok(()) => Ok(Asker { caller, presented, author }),
        Err(denied) => Err(Box::new((denied, author))),
    }
}

/// Writes a refusal into the audit log, if not too many were of late.
fn note(app: &Arc<App>, denied: &Denied, author: Author) {
    let kind = format!("{} {}", author.who, author.operation);
    let mut throttle = app.throttle.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(held_back) = throttle.admit(&kind, author.at) else { return };
    let more = match held_back {
        0 => String::new(),
        more => format!(" ({more} refusals before this one were not written down)"),
    };
    let facts = author.facts(None, format!("refused: {}{more}", denied.message));
    let app = Arc::clone(app);
    tokio::spawn(async move {
        if let Err(error) = app.group.propose(Command::Denied { facts }).await {
            tracing::debug!(%error, "a refusal was not written down");
        }
    });
}

/// The other end of the connection, as the one that accepted it has seen it.
fn peer(extensions: &axum::http::Extensions) -> Peer {
    let unknown = || Peer { from: "unknown".into(), presented: Presented::Nothing };
    extensions.get::<Arc<Peer>>().map_or_else(unknown, |peer| Peer::clone(peer))
}

/// Who sent the request: the other end of the connection, or whoever the server there passes it on for.
fn original(app: &App, state: &Agreed, parts: &Parts) -> Peer {
    let peer = peer(&parts.extensions);
    if !parts.headers.contains_key(FORWARDED) || !is_server(app, state, &peer.presented) {
        return peer;
    }
    let told = parts.headers.get(PEER).and_then(|value| serde_json::from_slice(value.as_bytes()).ok());
    told.unwrap_or(peer)
}

/// Whether the other end is one of the group's servers.
fn is_server(app: &App, state: &Agreed, presented: &Presented) -> bool {
    match presented {
        Presented::Plain => state.trust.is_empty(),
        Presented::Nothing => false,
        Presented::Certificate { identity, starts, .. } => match identity {
            Identity::Server(name) => state.trust.admits(identity, *starts) && app.has_seat(name),
            Identity::Node(_) => false,
        },
    }
}

/// Whether the other end may speak to this server's part of Raft. A server that has just joined knows no others yet, and one that
/// was removed may do so as long as it has a seat; but not one whose name another has got since.
pub(crate) async fn may_be_peer(app: &App, extensions: &axum::http::Extensions) -> bool {
    match peer(extensions).presented {
        Presented::Plain => app.keyring.is_none(),
        Presented::Certificate { identity, starts, .. } => {
            let Identity::Server(name) = &identity else { return false };
            let state = app.group.state().await;
            let is_followed = state.trust.enrolled.get(&identity).is_some_and(|enrolment| starts < enrolment.starts);
            !is_followed && (app.group.seats().is_empty() || app.has_seat(name))
        }
        Presented::Nothing => false,
    }
}

/// Who sent a request, for the server that it is passed on to.
pub(crate) fn passed_on(parts: &Parts) -> Option<HeaderValue> {
    let told = serde_json::to_vec(&peer(&parts.extensions)).ok()?;
    HeaderValue::from_bytes(&told).ok()
}

fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

fn operation(method: &Method, extensions: &axum::http::Extensions) -> Option<&'static Operation> {
    let path = extensions.get::<MatchedPath>()?.as_str();
    OPERATIONS.iter().find(|operation| operation.path == path && operation.method == method.as_str())
}

/// The node that the path names, letter by letter as it stands there.
fn node(parts: &Parts) -> Option<&str> {
    let template = parts.extensions.get::<MatchedPath>()?.as_str();
    let mut pairs = template.split('/').zip(parts.uri.path().split('/'));
    pairs.find_map(|(part, value)| (part == "{node}").then_some(value))
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        ErrorBody::new(denied.code, denied.message).into()
    }
}
