use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icefield_pki::{Credential, KeyPair};
use icefield_spec::Revision;
use tokio::sync::watch;

use super::due::{Due, due};
use super::{Held, IdentityFolder, Keyring};
use crate::{Client, RenewRequest, TrustMark};

/// Keeps a machine's certificate and bundle as they should be: renews in time, follows rotations of the authority, and tells
/// the cluster what it has.
#[derive(Debug)]
pub struct Keeper {
    /// What is kept.
    pub keyring: Keyring,
    /// Where it is kept.
    pub folder: IdentityFolder,
    /// Talks to the cluster as this machine.
    pub client: Client,
    /// What the cluster says of its trust.
    pub mark: watch::Receiver<Option<TrustMark>>,
}

/// Why a certificate was not renewed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Keeper {
    /// How often the clock is looked at.
    const LOOK: Duration = Duration::from_secs(60);
    /// The pause after a failure, and the longest one.
    const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

    /// Runs for as long as it is awaited.
    pub async fn run(mut self) {
        let jitter = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
        let mut told = None;
        let mut pause = Self::PAUSE.0;
        loop {
            let mark = *self.mark.borrow_and_update();
            match due(&self.keyring.held(), told, mark.as_ref(), now(), jitter) {
                Due::Nothing => {
                    tokio::select! {
                        changed = self.mark.changed() => if changed.is_err() { return },
                        () = tokio::time::sleep(Self::LOOK) => {}
                    }
                    continue;
                }
                todo => match self.ask(todo == Due::Renew).await {
                    Ok(bundle) => {
                        told = bundle;
                        pause = Self::PAUSE.0;
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the certificate or the bundle is not up to date; it is tried again");
                    }
                },
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Self::PAUSE.1);
        }
    }

    /// Says what this machine has, and takes over what it is given; gives back the bundle that the cluster was told of, but
    /// not after a renewal: that the new certificate works is to be shown too.
    async fn ask(&self, renew: bool) -> Result<Option<Revision>, Failure> {
        let Held { bundle, credential } = self.keyring.held();
        let key = if renew { Some(KeyPair::generate()?) } else { None };
        let request = key.as_ref().map(KeyPair::request).transpose()?;
        let answer = self.client.renew(&RenewRequest { bundle: bundle.revision(), request }).await?;
        let credential = match (answer.chain, key) {
            (Some(chain), Some(key)) => {
                tracing::info!(identity = %chain.identity(), "the certificate was renewed");
                Some(Credential::new(chain, key)?)
            }
            _ => credential,
        };
        let told = bundle.revision();
        if renew || answer.bundle != bundle {
            let held = Held { bundle: answer.bundle, credential };
            // What is not on the disk is gone with the next start.
            self.folder.save(&held)?;
            self.keyring.replace(held);
        }
        Ok((!renew).then_some(told))
    }
}

/// Milliseconds since 1970, as certificates count them.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
