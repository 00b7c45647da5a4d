use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use icefield_api::{Held, IdentityFolder, TokenProof, write_secret};
use icefield_pki::{Authority, Chain, Credential, Identity, KeyPair, UserToken};
use icefield_spec::Name;
use serde::{Deserialize, Serialize};

use super::{SecurityError, VALIDITY};
use crate::clock::Clock;
use crate::raft::{Group, Leader};
use crate::state::{Secret, TrustStep};
use crate::{Applied, Command};

/// What the first server makes before there is a state to keep it in. It stays in a file until the state has it, so that a
/// crash in between loses nothing.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Founding {
    authority: Authority,
    server: Chain,
    admin: Name,
    token: Secret,
}

impl Founding {
    fn path(data: &Path) -> PathBuf {
        data.join("founding.json")
    }

    /// The file with the first admin's token.
    pub(crate) fn admin_token(data: &Path) -> PathBuf {
        data.join("admin-token")
    }

    /// What was begun before and not finished.
    pub(crate) fn begun(data: &Path) -> Result<Option<Self>, SecurityError> {
        let path = Self::path(data);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SecurityError::Io { path, source }),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| SecurityError::Io { path, source: error.into() })
    }

    /// Makes an authority, this server's identity, and the first admin's token; all are on the disk when it returns.
    pub(crate) fn begin(data: &Path, folder: &IdentityFolder, name: &Name, now: u64) -> Result<Held, SecurityError> {
        // The cluster's own name is not known before the first apply, and a certificate's subject is for people alone.
        let authority = Authority::create(name, now)?;
        let key = KeyPair::generate()?;
        let chain = authority.issue(&key.request()?, &Identity::Server(name.clone()), VALIDITY, now)?;
        let token = UserToken::generate(authority.fingerprint())?;
        let proof = TokenProof { id: token.id(), hash: token.hash(), authority: token.authority() };
        let admin = Name::new("admin").map_err(|error| SecurityError::Name(error.to_string()))?;
        let founding = Self { authority, server: chain.clone(), admin, token: Secret::new(proof, None) };
        let bundle = (&founding.authority).into();
        let held = Held { bundle, credential: Some(Credential::new(chain, key)?) };
        let write = |path: PathBuf, content: &[u8]| {
            write_secret(&path, content).map_err(|source| SecurityError::Io { path, source })
        };
        write(Self::admin_token(data), format!("{}\n", token.reveal()).as_bytes())?;
        let text = serde_json::to_vec(&founding).map_err(io::Error::from);
        let text = text.map_err(|source| SecurityError::Io { path: Self::path(data), source })?;
        folder.save(&held)?;
        write(Self::path(data), &text)?;
        Ok(held)
    }
}

/// Puts into the state what the first server has made, or what a server that was restored has issued itself.
pub(crate) async fn found(group: Arc<Group>, clock: Clock, data: PathBuf, step: TrustStep) {
    /// The pause before it is tried again.
    const PAUSE: Duration = Duration::from_millis(200);
    loop {
        if group.leader().wait_for(|leader| matches!(leader, Leader::Me(_))).await.is_err() {
            return;
        }
        match group.propose(Command::Trust { at: clock.now(), step: step.clone() }).await {
            Ok(Applied::Refused(reason)) => {
                // It was applied before a crash.
                tracing::debug!(reason, "the cluster has its authority already");
                break;
            }
            Ok(_) => break,
            Err(error) => tracing::debug!(%error, "the cluster has no authority yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    if let Err(error) = fs::remove_file(Founding::path(&data))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "{} holds the authority's key and is not needed any more; remove it", Founding::path(&data).display());
    }
}

impl From<Founding> for TrustStep {
    fn from(founding: Founding) -> Self {
        let Founding { authority, server, admin, token } = founding;
        Self::Found { authority: authority.into(), server, admin, token }
    }
}
