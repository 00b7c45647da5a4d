use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{
    BackupKeyAnswer, BackupKeyRequest, Done, ErrorBody, ErrorCode, NodeSecrets, SCHEMA, SecretAnswer, SecretList,
    SecretRequest, SecretValue, ServerKeyRequest,
};
use icefield_spec::Name;
use serde::Deserialize;

use super::app::{App, name, settle};
use super::asker::Asker;
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::watch::query;
use super::write::Write;
use crate::access::Caller;
use crate::state::{Missing, SecretId, SecretStep};
use crate::vault::{ClusterKey, PublicKey, VaultError, seats};
use crate::{Command, State as Agreed, view};

/// All secrets, without their values.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Answer<SecretList>, Failure> {
    let read = Read::of(&app, &uri).await?;
    let list = view::secrets(&read.state);
    Ok(read.answer(list))
}

/// Gives a secret a value.
pub(crate) async fn set(State(app): State<Arc<App>>, write: Write) -> Result<Json<SecretAnswer>, Failure> {
    let SecretRequest { name, namespace, value } = write.json().await?;
    if value.reveal().len() > SecretValue::LARGEST {
        let message = format!("a secret has at most {} KiB", SecretValue::LARGEST >> 10);
        return Err(Failure::new(ErrorCode::TooLarge, message));
    }
    let id = SecretId { namespace, name };
    let key = key_to_seal_with(&app).await?;
    // What the state remembers of the request is a hash, by which a value that is easy to guess could be guessed.
    let write = write.salted(&*key.salt());
    let state = app.state().await?;
    let first = app.first_answer(&write, &state).map(settle).transpose()?;
    let before = state.secrets.newest(&id).filter(|_| first.is_none());
    let same = before.and_then(|(number, version)| {
        let known = key.open(&id.to_string(), &version.sealed).ok()?;
        (known == value).then_some(number)
    });
    if let Some(version) = same {
        let (services, kept) = Default::default();
        return Ok(Json(SecretAnswer { schema: SCHEMA, version, changed: false, services, kept }));
    }
    let sealed = key.seal(&id.to_string(), &value).map_err(failure)?;
    let by = write.author().map_or_else(String::new, |author| author.who);
    let step = SecretStep::Set { id: id.clone(), sealed, by };
    app.change(&write, Command::Secret { at: app.clock.now(), step }).await?;
    let state = app.group.state().await;
    let version = state.secrets.newest(&id).map_or(0, |(number, _)| number);
    let (services, kept) = state.takers_of(&id);
    Ok(Json(SecretAnswer { schema: SCHEMA, version, changed: true, services, kept }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    #[serde(default)]
    namespace: Option<Name>,
    #[serde(default)]
    force: bool,
}

/// Removes a secret.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Path(secret): Path<String>,
    uri: Uri,
    write: Write,
) -> Result<Json<SecretList>, Failure> {
    let Removal { namespace, force } = query(&uri)?;
    let id = SecretId { namespace, name: name(&secret)? };
    let step = SecretStep::Remove { id, force };
    app.change(&write, Command::Secret { at: app.clock.now(), step }).await?;
    Ok(Json(view::secrets(&*app.group.state().await)))
}

/// The secrets that a node's plan names, opened.
pub(crate) async fn of_node(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
) -> Result<Json<NodeSecrets>, Failure> {
    let node = name(&node)?;
    let state = app.state().await?;
    let sealed = view::secrets_of(&state, &node);
    let mut answer = NodeSecrets { schema: SCHEMA, values: Default::default() };
    if sealed.is_empty() {
        return Ok(Json(answer));
    }
    let key = app.vault.cluster_key(&state).map_err(failure)?.ok_or_else(|| failure(VaultError::Closed))?;
    for (number, (id, version)) in sealed {
        answer.values.insert(number, key.open(&id.to_string(), &version.sealed).map_err(failure)?);
    }
    Ok(Json(answer))
}

/// Makes the public key of a server known.
pub(crate) async fn server_key(
    State(app): State<Arc<App>>,
    Path(server): Path<String>,
    asker: Asker,
    write: Write,
) -> Result<Json<Done>, Failure> {
    let own = match &asker.caller {
        Caller::Local => true,
        Caller::Server(name) => name.as_str() == server,
        _ => false,
    };
    if !own {
        return Err(Failure::new(ErrorCode::Forbidden, "a server makes only its own key known"));
    }
    let ServerKeyRequest { public } = write.json().await?;
    let public: PublicKey = public.parse().map_err(|_| Failure::invalid("this is no X25519 public key in base64"))?;
    if !seats(&app.group).contains(&server) {
        return Err(Failure::not_found(format!("there is no server {server} in this cluster")));
    }
    let step = SecretStep::Public { server, public };
    settle(app.group.propose(Command::Secret { at: app.clock.now(), step }).await?)?;
    Ok(Json(Done { schema: SCHEMA }))
}

/// The key that the secrets of a backup are opened with, sealed for who asks.
pub(crate) async fn backup_key(State(app): State<Arc<App>>, write: Write) -> Result<Json<BackupKeyAnswer>, Failure> {
    let BackupKeyRequest { public } = write.json().await?;
    let public: PublicKey = public.parse().map_err(|_| Failure::invalid("this is no X25519 public key in base64"))?;
    let state = app.state().await?;
    let key = app.vault.cluster_key(&state).map_err(failure)?;
    let sealed = key.map(|key| key.grant(&public)).transpose().map_err(failure)?;
    Ok(Json(BackupKeyAnswer { schema: SCHEMA, sealed: sealed.map(|sealed| sealed.as_str().to_owned()) }))
}

/// The cluster key; the first one is made when it is first needed.
async fn key_to_seal_with(app: &App) -> Result<ClusterKey, Failure> {
    let state = app.state().await?;
    if let Some(step) = app.vault.first_key(&state, &seats(&app.group)).map_err(failure)? {
        // Refused is one that another request came before with.
        app.group.propose(Command::Secret { at: app.clock.now(), step }).await?;
    }
    let state = app.state().await?;
    app.vault.cluster_key(&state).map_err(failure)?.ok_or_else(|| failure(VaultError::Closed))
}

/// Has a spec name the secrets that there are, and the ports of what its services use.
pub(crate) fn resolved(state: &Agreed, spec: &mut icefield_spec::Spec) -> Result<(), Failure> {
    spec.fill_in_ports();
    let missing = state.secrets.resolve(spec);
    if missing.is_empty() {
        return Ok(());
    }
    let message = match missing.len() {
        1 => "the spec names a secret that is not there".to_owned(),
        count => format!("the spec names {count} secrets that are not there"),
    };
    let details = missing.iter().map(Missing::to_string).collect();
    Err(ErrorBody { code: ErrorCode::UnknownSecret, message, details }.into())
}

fn failure(error: VaultError) -> Failure {
    match error {
        VaultError::Closed => Failure::new(
            ErrorCode::Unavailable,
            "this server has not been given the key of the secrets yet; another server that has it gives it to it in a moment",
        ),
        VaultError::Damaged | VaultError::NoRandomness => {
            Failure::new(ErrorCode::Internal, format!("a secret: {error}"))
        }
    }
}
