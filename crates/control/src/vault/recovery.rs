use std::path::Path;
use std::sync::Arc;

use icefield_api::write_secret;
use zeroize::Zeroizing;

use super::{ClusterKey, Granted, ServerKey, VaultError};
use crate::State;

/// What the secrets of a backup are opened with on another machine: the cluster key as it was then, in a file to be kept apart
/// from the backup.
#[derive(Debug, Clone)]
pub struct RecoveryKey(ClusterKey);

/// What is to become of a backup's secrets.
#[derive(Debug, Clone, Copy)]
pub enum RestoreSecrets<'a> {
    /// There are none; refused if there are.
    Expect,
    /// They are opened with this key.
    Open(&'a RecoveryKey),
    /// They are dropped, and must be set anew.
    Drop,
}

/// Why a state cannot be made one whose secrets a new server opens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// There are secrets, and no key.
    #[error(
        "the backup holds {0} secrets, and nobody opens them without their key; give the file of `icefield backup --key-out` with --key, or leave the secrets behind with --without-secrets"
    )]
    NoKey(usize),
    /// The key is of another backup.
    #[error("this key is not the one of this backup: that was sealed with key {0}")]
    OtherKey(String),
    /// The file holds no key.
    #[error("the file holds no key of a backup")]
    NotAKey,
    /// There are no random numbers.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl RecoveryKey {
    const MARK: &'static str = "icefield-backup-key.";

    /// The key that a server has sealed for `asker`.
    ///
    /// # Errors
    /// It was sealed for someone else, or is damaged.
    pub fn answered(asker: &ServerKey, sealed: &str) -> Result<Self, VaultError> {
        ClusterKey::granted(asker, &Granted::from_text(sealed)).map(Self)
    }

    /// Reads a key from the text of its file.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, RecoveryError> {
        let key = text.trim().strip_prefix(Self::MARK).ok_or(RecoveryError::NotAKey)?;
        ClusterKey::from_text(key).map(Self).map_err(|_| RecoveryError::NotAKey)
    }

    /// The text of its file; whoever has it and the backup has the secrets.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}\n", Self::MARK, &*self.0.to_text()))
    }
}

/// Makes `state`, of a backup, one whose secrets the server `name` with the folder `data` opens, by the backup's key. The
/// servers of the cluster that was backed up open it no more.
///
/// # Errors
/// There is no key, or it is another one's; the folder cannot be written.
pub(crate) fn take_over(
    state: &mut State,
    name: &str,
    data: &Path,
    with: RestoreSecrets<'_>,
) -> Result<(), crate::raft::RestoreError> {
    let Some(sealed_with) = state.secrets.key.as_ref().map(|key| key.id.clone()) else { return Ok(()) };
    let secrets = Arc::make_mut(&mut state.secrets);
    let RecoveryKey(key) = match with {
        RestoreSecrets::Open(key) => key,
        RestoreSecrets::Expect if !secrets.records.is_empty() => {
            return Err(RecoveryError::NoKey(secrets.records.len()).into());
        }
        RestoreSecrets::Expect | RestoreSecrets::Drop => {
            secrets.drop_all();
            return Ok(());
        }
    };
    if *key.id() != sealed_with {
        return Err(RecoveryError::OtherKey(sealed_with.to_string()).into());
    }
    let server = ServerKey::generate();
    let granted = key.grant(&server.public()).map_err(RecoveryError::from)?;
    secrets.grant_alone(name, server.public(), granted);
    let written = write_secret(&ServerKey::path(data), server.to_text().as_bytes());
    written.map_err(|source| crate::raft::FolderError::Io { path: ServerKey::path(data), source }.into())
}
