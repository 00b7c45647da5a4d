use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{ErrorCode, EventKind, JoinAnswer, JoinRequest, SCHEMA, ServerEntry, ServerMove, Servers};
use icefield_pki::Identity;
use icefield_spec::Name;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use serde::Deserialize;

use super::app::App;
use super::asker::Asker;
use super::body;
use super::failure::Failure;
use super::watch::query;
use crate::Command;
use crate::raft::{Member, MembershipError, Seat};
use crate::state::{Proposal, TrustStep};

/// The servers of the group.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<Servers>, Failure> {
    app.state().await?;
    Ok(Json(servers(&app).await))
}

/// Takes a server in.
pub(crate) async fn join(State(app): State<Arc<App>>, asker: Asker, body: Bytes) -> Result<Json<JoinAnswer>, Failure> {
    let JoinRequest { name, api, replaces } = body::json(body).await?;
    if !is_name(&name) {
        let message = format!("{name:?} cannot be a server's name; take lower-case letters, digits and dashes");
        return Err(Failure::invalid(message));
    }
    if !(api.starts_with("http://") || api.starts_with("https://")) {
        return Err(Failure::invalid(format!(
            "{api:?} is not the URL of a server; write it like http://10.0.0.1:7700"
        )));
    }
    app.state().await?;
    let api = api.trim_end_matches('/').to_owned();
    let instead = replaces.as_ref().map_or_else(String::new, |replaced| format!(" instead of {replaced}"));
    tell(&app, &asker, &name, format!("is taken in{instead}")).await?;
    let replaced = replaces.clone();
    let number = app.group.admit(fresh_number(), Member { name, api, replaces }).await?;
    if let Some(replaced) = replaced {
        forget(&app, &asker, &replaced).await?;
    }
    Ok(Json(JoinAnswer { schema: SCHEMA, number, group: app.group.id().to_owned() }))
}

/// Writes down where a server is reached now.
pub(crate) async fn relocate(
    State(app): State<Arc<App>>,
    Path(server): Path<String>,
    asker: Asker,
    body: Bytes,
) -> Result<Json<Servers>, Failure> {
    let ServerMove { api } = body::json(body).await?;
    app.state().await?;
    tell(&app, &asker, &server, format!("is reached at {api} now")).await?;
    app.group.relocate(&server, api.trim_end_matches('/')).await?;
    Ok(Json(servers(&app).await))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    #[serde(default)]
    force: bool,
}

/// Removes a server.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Path(server): Path<String>,
    asker: Asker,
    uri: Uri,
) -> Result<Json<Servers>, Failure> {
    let Removal { force } = query(&uri)?;
    app.state().await?;
    tell(&app, &asker, &server, "is removed".to_owned()).await?;
    match app.group.remove(&server, force).await {
        // A leader that removes itself may be gone before it is forgotten; the next one goes on with that.
        Err(MembershipError::Unknown { .. }) if is_enrolled(&app, &server).await => {}
        removed => removed?,
    }
    forget(&app, &asker, &server).await?;
    Ok(Json(servers(&app).await))
}

/// Whether the cluster trusts a server of this name.
async fn is_enrolled(app: &App, server: &str) -> bool {
    let Ok(name) = Name::new(server) else { return false };
    app.group.state().await.trust.enrolled.contains_key(&Identity::Server(name))
}

/// Takes a server's certificates back. It may still say what servers say to each other as long as it has a seat.
async fn forget(app: &App, asker: &Asker, server: &str) -> Result<(), Failure> {
    let Ok(name) = Name::new(server) else { return Ok(()) };
    let identity = Identity::Server(name);
    if app.group.state().await.trust.enrolled.contains_key(&identity) {
        let command = Command::Trust { at: app.clock.now(), step: TrustStep::Forget { identity } };
        let author = Some(asker.author.clone());
        app.group.offer(&Proposal { command, request: None, author }).await?;
    }
    Ok(())
}

/// Writes down what is to become of a server, and who has asked for it: before it is done, so that nothing is done unseen.
async fn tell(app: &App, asker: &Asker, server: &str, what: String) -> Result<(), Failure> {
    let notes = vec![(EventKind::Trust, format!("server {server}"), what)];
    let command = Command::Note { at: app.clock.now(), notes };
    let author = Some(asker.author.clone());
    app.group.offer(&Proposal { command, request: None, author }).await?;
    Ok(())
}

/// The whole state.
pub(crate) async fn backup(State(app): State<Arc<App>>) -> Result<Bytes, Failure> {
    Ok(app.group.backup().await?)
}

async fn servers(app: &App) -> Servers {
    let seats = app.group.seats();
    let alive = app.group.alive(&seats.iter().collect::<Vec<_>>()).await;
    let entry = |seat: Seat| ServerEntry {
        leader: seat.member.name == app.group.name(),
        voter: seat.votes,
        answers: alive.contains(&seat.member.name),
        name: seat.member.name,
        api: seat.member.api,
    };
    Servers { schema: SCHEMA, servers: seats.into_iter().map(entry).collect() }
}

/// A number that no server has had: large and random, yet exact in any JSON reader.
fn fresh_number() -> u64 {
    SmallRng::from_entropy().next_u64() >> 12 | 1 << 51
}

fn is_name(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(letters) && !text.starts_with('-') && !text.ends_with('-')
}

impl From<MembershipError> for Failure {
    fn from(error: MembershipError) -> Self {
        let code = match &error {
            MembershipError::NotLeader => return Self::not_leader(),
            MembershipError::Unknown { .. } => ErrorCode::NotFound,
            MembershipError::Failed(_) | MembershipError::UnderWay => ErrorCode::Unavailable,
            _ => ErrorCode::Conflict,
        };
        Self::new(code, error.to_string())
    }
}
