use std::fs;
use std::io;
use std::path::Path;

use icefield_pki::{Credential, Identity, JoinToken, KeyPair, PkiError, SigningRequest, joining_config};

use super::{Held, IdentityError, IdentityFolder, write_secret};
use crate::{Client, ClientError, EnrolAnswer, EnrolRequest, Http, HttpOptions};

/// Why a machine has not joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Its identity cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A key or a certificate cannot be made or used.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The cluster did not let it.
    #[error("the cluster of {} does not take this machine in", servers.join(", "))]
    Refused {
        /// The servers that were asked.
        servers: Vec<String>,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
    /// The cluster that answered is not the one of the token.
    #[error(
        "the bundle that the cluster gave does not hold the authority that the token names; nothing was taken over"
    )]
    Unpinned,
}

/// Joins a cluster with a token, as `identity`; what that gives is kept in `folder`.
///
/// The key and the request are kept before they are sent: if the answer gets lost, the same again gets it another time,
/// though the token is spent.
///
/// # Errors
/// The cluster refuses, or something cannot be kept.
pub async fn join(
    folder: &IdentityFolder,
    servers: &[String],
    token: &JoinToken,
    identity: Identity,
) -> Result<Held, JoinError> {
    let path = folder.joining();
    let (key, request) = match begun(&path) {
        Some(begun) => begun,
        None => begin(&path)?,
    };
    let http = Http::new(HttpOptions::default(), Some(joining_config(token.authority())));
    let request = EnrolRequest { token: token.reveal(), request, identity };
    let answer = Client::over(http, servers.to_vec()).enrol(&request).await;
    let refused = |source| JoinError::Refused { servers: servers.to_vec(), source: Box::new(source) };
    let EnrolAnswer { chain, bundle, .. } = answer.map_err(refused)?;
    if !bundle.contains(token.authority()) {
        return Err(JoinError::Unpinned);
    }
    let held = Held { bundle, credential: Some(Credential::new(chain, key)?) };
    folder.save(&held)?;
    folder.note_token(token.id())?;
    // It has done its work; the next time that this machine joins, it makes another one.
    drop(fs::remove_file(path));
    Ok(held)
}

fn begin(path: &Path) -> Result<(KeyPair, SigningRequest), JoinError> {
    let key = KeyPair::generate()?;
    let request = key.request()?;
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let text = format!("{}{}", key.to_pem(), request.as_pem());
    folder
        .and_then(|()| write_secret(path, text.as_bytes()))
        .map_err(|source: io::Error| JoinError::Identity(IdentityError::Io { path: path.to_owned(), source }))?;
    Ok((key, request))
}

fn begun(path: &Path) -> Option<(KeyPair, SigningRequest)> {
    let text = fs::read_to_string(path).ok()?;
    let request = text.find("-----BEGIN CERTIFICATE REQUEST-----").map(|at| SigningRequest::from_pem(&text[at..]))?;
    Some((KeyPair::from_pem(&text).ok()?, request))
}
