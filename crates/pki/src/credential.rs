use std::fmt;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::tls::provider;
use crate::{Authority, Chain, Identity, KeyPair, PkiError};

/// Who this process is: a [`Chain`] and the private key to its first certificate. Cloning is cheap.
#[derive(Clone)]
pub struct Credential {
    chain: Arc<Chain>,
    key: Arc<KeyPair>,
    certified: Arc<CertifiedKey>,
}

impl Credential {
    /// Puts together what was issued and the key that it was issued for.
    ///
    /// # Errors
    /// [`PkiError::ForeignKey`], if they are not each other's.
    pub fn new(chain: Chain, key: KeyPair) -> Result<Self, PkiError> {
        let certified = CertifiedKey::from_der(chain.certificates().to_vec(), key.to_der(), &provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => PkiError::ForeignKey,
            other => PkiError::unreadable("the credential", other),
        })?;
        Ok(Self { chain: chain.into(), key: key.into(), certified: certified.into() })
    }

    /// Reads what [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    /// The chain or the key is missing or damaged, or they are not each other's.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        Self::new(Chain::from_pem(text)?, KeyPair::from_pem(text)?)
    }

    /// The chain and the key as one PEM text: a secret, for a file that only its owner can read.
    pub fn to_pem(&self) -> String {
        self.chain.to_pem() + &self.key.to_pem()
    }

    /// The certificate and its authority's.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Who this process is.
    pub fn identity(&self) -> &Identity {
        self.chain.identity()
    }

    /// When it ends, in milliseconds since the Unix epoch.
    pub fn expires(&self) -> u64 {
        self.chain.expires()
    }

    /// When to ask for the next one, in milliseconds since the Unix epoch: around half of its life after its issue. `jitter`
    /// of 0 to 1 spreads that from 45 % to 55 %, so that what was issued together does not come back together.
    pub fn renew_at(&self, jitter: f64) -> u64 {
        let backdate = u64::try_from(Authority::BACKDATE.as_millis()).unwrap_or(u64::MAX);
        let issued = self.chain.starts().saturating_add(backdate).min(self.expires());
        let life = (self.expires() - issued) as f64;
        issued + (life * (0.45 + 0.1 * jitter.clamp(0.0, 1.0))) as u64
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("chain", &self.chain).finish_non_exhaustive()
    }
}
