use std::path::Path;
use std::sync::Arc;

use icefield_api::{Held, IdentityFolder, Keyring, join};
use icefield_pki::{Credential, Identity, JoinToken, KeyPair};
use icefield_spec::Name;

use super::{Founding, SecurityError, VALIDITY};
use crate::begin::Begin;
use crate::raft::{self, Disk, FolderDisk};
use crate::state::TrustStep;

/// What a server proves itself with.
pub(crate) struct Prepared {
    pub(crate) keyring: Keyring,
    pub(crate) folder: IdentityFolder,
    /// What the state is yet to hear of.
    pub(crate) step: Option<TrustStep>,
}

/// Finds a server's identity in its folder, or gets it one: the first server makes the cluster's authority, one that joins
/// asks with its token, and one whose folder has the state (after a restore) issues it itself.
pub(crate) async fn prepare(
    data: &Path,
    name: &str,
    begin: &Begin,
    token: Option<&str>,
    now: u64,
) -> Result<Prepared, SecurityError> {
    let name = Name::new(name).map_err(|_| SecurityError::Name(name.to_owned()))?;
    // For the log and the snapshot too, which hold the authority's key.
    FolderDisk::open(data.to_owned()).map_err(|source| SecurityError::Io { path: data.to_owned(), source })?;
    let folder = IdentityFolder::new(data);
    let token = token.map(str::parse::<JoinToken>).transpose()?;
    let joins = matches!(begin, Begin::Join { .. });
    let anew = joins && token.as_ref().is_some_and(|token| !folder.is_of(token.id()));
    if let Some(held) = folder.load()?
        && !anew
    {
        check(&held, &name, data)?;
        if has_ended(&held, now) && is_used(data) {
            // It was off for too long to renew, and nobody would listen to it; but it has the authority.
            let (held, step) = issue_own(data, &name, now)?;
            folder.save(&held)?;
            return Ok(Prepared { keyring: Keyring::new(held), folder, step: Some(step) });
        }
        let step = Founding::begun(data)?.map(TrustStep::from);
        return Ok(Prepared { keyring: Keyring::new(held), folder, step });
    }
    let (held, step) = match begin {
        _ if is_used(data) && !anew => {
            let (held, step) = issue_own(data, &name, now)?;
            (held, Some(step))
        }
        Begin::Form(peers) if peers.len() > 1 => return Err(SecurityError::ManyFounders),
        Begin::Form(_) => {
            let held = Founding::begin(data, &folder, &name, now)?;
            (held, Founding::begun(data)?.map(TrustStep::from))
        }
        Begin::Join { servers, .. } => {
            let token = token.ok_or(SecurityError::NoToken)?;
            (join(&folder, servers, &token, Identity::Server(name)).await?, None)
        }
        Begin::Resume => return Err(SecurityError::NoIdentity(data.to_owned())),
    };
    folder.save(&held)?;
    Ok(Prepared { keyring: Keyring::new(held), folder, step })
}

fn is_used(data: &Path) -> bool {
    FolderDisk::open(data.to_owned()).is_ok_and(|disk| raft::is_used(&disk))
}

fn has_ended(held: &Held, now: u64) -> bool {
    held.credential.as_ref().is_some_and(|credential| credential.expires() <= now)
}

fn check(held: &Held, name: &Name, data: &Path) -> Result<(), SecurityError> {
    let found = held.credential.as_ref().map(Credential::identity);
    if found == Some(&Identity::Server(name.clone())) {
        return Ok(());
    }
    let found = found.map_or_else(|| "nobody".into(), ToString::to_string);
    Err(SecurityError::Other { path: data.to_owned(), found, name: name.to_string() })
}

/// What a server issues itself that has the state, but no certificate.
fn issue_own(data: &Path, name: &Name, now: u64) -> Result<(Held, TrustStep), SecurityError> {
    let none = || SecurityError::NoIdentity(data.to_owned());
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open(data.to_owned()).map_err(|_| none())?);
    let known = raft::known(&disk).map_err(|_| none())?;
    let trust = &known.state().trust;
    let (Some(signer), Some(bundle)) = (trust.signer(), trust.bundle.clone()) else { return Err(none()) };
    let key = KeyPair::generate()?;
    let chain = signer.issue(&key.request()?, &Identity::Server(name.clone()), VALIDITY, now)?;
    let step = TrustStep::Adopt { chain: chain.clone() };
    Ok((Held { bundle, credential: Some(Credential::new(chain, key)?) }, step))
}
