use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{
    AuditEntry, AuditLog, AuthorityStatus, CaStatus, ErrorCode, JoinTokenRequest, JoinTokenStatus, JoinTokens,
    RotateRequest, SCHEMA, TrustAnswer, UserTokenRequest, UserTokenRotation, UserTokens,
};
use icefield_pki::{Authority, TokenId};
use serde::Deserialize;

use super::app::{App, name};
use super::enrol::no_trust;
use super::failure::Failure;
use super::watch::query;
use super::write::Write;
use crate::state::{JoinRecord, Secret, TrustStep, UserRecord};
use crate::{Command, State as Agreed};

/// Whom the cluster trusts.
pub(crate) async fn trust(State(app): State<Arc<App>>) -> Result<Json<TrustAnswer>, Failure> {
    let state = app.group.state().await;
    let (Some(bundle), Some(mark)) = (state.trust.bundle.clone(), state.trust.mark) else { return Err(no_trust()) };
    Ok(Json(TrustAnswer { schema: SCHEMA, bundle, signer: mark.signer }))
}

/// The authorities, and how far a rotation is.
pub(crate) async fn ca(State(app): State<Arc<App>>) -> Result<Json<CaStatus>, Failure> {
    Ok(Json(ca_status(&*app.state().await?)))
}

/// Starts a rotation, or goes on with one.
pub(crate) async fn rotate(State(app): State<Arc<App>>, write: Write) -> Result<Json<CaStatus>, Failure> {
    let RotateRequest { finish, spread } = write.json().await?;
    let (state, now) = (app.state().await?, app.clock.now());
    let step = match (finish, state.trust.phase) {
        (true, Some(phase)) => {
            TrustStep::Advance { phase, without: state.trust.waits_for().into_iter().cloned().collect() }
        }
        (true, None) => {
            let message = "no rotation is under way, so there is none to finish; `icefield ca rotate` starts one";
            return Err(Failure::new(ErrorCode::Conflict, message));
        }
        (false, _) => {
            let cluster = state.spec.as_ref().map(|spec| spec.cluster.clone());
            let cluster = cluster.map_or_else(|| name("cluster"), Ok)?;
            let authority = Authority::create(&cluster, now);
            let authority = authority.map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?;
            TrustStep::Rotate { authority: authority.into(), until: now.saturating_add(spread.get()) }
        }
    };
    write_down(&app, &write, step).await?;
    Ok(Json(ca_status(&*app.group.state().await)))
}

/// The join tokens.
pub(crate) async fn join_tokens(State(app): State<Arc<App>>) -> Result<Json<JoinTokens>, Failure> {
    Ok(Json(all_join_tokens(&*app.state().await?)))
}

/// Makes a join token known.
pub(crate) async fn create_join_token(State(app): State<Arc<App>>, write: Write) -> Result<Json<JoinTokens>, Failure> {
    let JoinTokenRequest { id, hash, role, name, valid } = write.json().await?;
    let expires = app.clock.now().saturating_add(valid.get());
    let record = JoinRecord {
        hash,
        role,
        name,
        expires,
        by: write.author().map_or_else(String::new, |author| author.who),
        used: None,
    };
    write_down(&app, &write, TrustStep::CreateJoinToken { id, record }).await?;
    Ok(Json(all_join_tokens(&*app.group.state().await)))
}

/// Revokes a join token.
pub(crate) async fn revoke_join_token(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    write: Write,
) -> Result<Json<JoinTokens>, Failure> {
    let id: TokenId = id.parse().map_err(|_| Failure::invalid(format!("{id:?} is not the id of a token")))?;
    write_down(&app, &write, TrustStep::RevokeJoinToken { id }).await?;
    Ok(Json(all_join_tokens(&*app.group.state().await)))
}

/// The tokens of people and programs.
pub(crate) async fn tokens(State(app): State<Arc<App>>) -> Result<Json<UserTokens>, Failure> {
    let state = app.state().await?;
    Ok(Json(all_tokens(&app, &state)))
}

/// Makes someone's token known.
pub(crate) async fn create_token(State(app): State<Arc<App>>, write: Write) -> Result<Json<UserTokens>, Failure> {
    let UserTokenRequest { name, token, role, namespaces, valid } = write.json().await?;
    let now = app.clock.now();
    let secret = Secret::new(token, valid.map(|valid| now.saturating_add(valid.get())));
    let record = UserRecord {
        role,
        namespaces,
        secrets: vec![secret],
        created: now,
        by: write.author().map_or_else(String::new, |author| author.who),
    };
    write_down(&app, &write, TrustStep::CreateUser { name, record }).await?;
    Ok(Json(all_tokens(&app, &*app.group.state().await)))
}

/// Gives someone another secret.
pub(crate) async fn rotate_token(
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
    write: Write,
) -> Result<Json<UserTokens>, Failure> {
    let UserTokenRotation { token, overlap } = write.json().await?;
    let step = TrustStep::RotateUser { name: name(&user)?, token: Secret::new(token, None), overlap: overlap.get() };
    write_down(&app, &write, step).await?;
    Ok(Json(all_tokens(&app, &*app.group.state().await)))
}

/// Revokes all tokens of someone.
pub(crate) async fn revoke_token(
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
    write: Write,
) -> Result<Json<UserTokens>, Failure> {
    write_down(&app, &write, TrustStep::RevokeUser { name: name(&user)? }).await?;
    Ok(Json(all_tokens(&app, &*app.group.state().await)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
}

/// The audit log.
pub(crate) async fn audit(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<AuditLog>, Failure> {
    let After { after } = query(&uri)?;
    let state = app.state().await?;
    let entries = state.audit.after(after).map(|entry| AuditEntry::clone(entry)).collect();
    Ok(Json(AuditLog { schema: SCHEMA, entries }))
}

async fn write_down(app: &App, write: &Write, step: TrustStep) -> Result<(), Failure> {
    app.change(write, Command::Trust { at: app.clock.now(), step }).await.map(drop)
}

fn ca_status(state: &Agreed) -> CaStatus {
    let trust = &state.trust;
    let signer = trust.mark.map(|mark| mark.signer);
    let authority = |authority: &Authority| AuthorityStatus {
        fingerprint: authority.fingerprint(),
        expires: authority.expires(),
        signs: Some(authority.fingerprint()) == signer,
    };
    let trusted = |fingerprint| trust.authorities.iter().any(|authority| authority.fingerprint() == fingerprint);
    let outdated =
        trust.users.iter().filter(|(_, record)| record.secrets.iter().all(|secret| !trusted(secret.authority)));
    CaStatus {
        schema: SCHEMA,
        authorities: trust.authorities.iter().map(authority).collect(),
        phase: trust.phase,
        until: trust.spread_until,
        waits_for: trust.waits_for().into_iter().cloned().collect(),
        outdated_tokens: outdated.map(|(name, _)| name.to_string()).collect(),
    }
}

fn all_join_tokens(state: &Agreed) -> JoinTokens {
    let status = |(id, record): (&TokenId, &JoinRecord)| JoinTokenStatus {
        id: *id,
        role: record.role,
        name: record.name.clone(),
        expires: record.expires,
        by: record.by.clone(),
        used_by: record.used.as_ref().map(|used| used.chain.identity().clone()),
    };
    JoinTokens { schema: SCHEMA, tokens: state.trust.join_tokens.iter().map(status).collect() }
}

fn all_tokens(app: &App, state: &Agreed) -> UserTokens {
    let now = app.clock.now();
    UserTokens { schema: SCHEMA, tokens: state.trust.users.iter().map(|(name, user)| user.status(name, now)).collect() }
}
