use std::fmt;

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::{Fingerprint, Identity, PkiError};

/// A certificate followed by that of the authority that issued it; PEM text in serde.
///
/// The authority's is sent along in each handshake so that one who knows only its [`Fingerprint`] can verify the first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    identity: Identity,
    starts: u64,
    expires: u64,
}

impl Chain {
    /// Reads PEM text: the certificate, then its authority's.
    ///
    /// # Errors
    /// The text is no such chain, or its first certificate names no identity. Signatures are not checked here: whoever is
    /// shown the chain does that.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        Self::new(crate::pem::read("the certificate chain", text)?)
    }

    /// What a peer has shown in a handshake that has verified it.
    ///
    /// # Errors
    /// Its authority's certificate is not there, or the first one names no identity.
    pub fn of_peer(certificates: &[CertificateDer<'_>]) -> Result<Self, PkiError> {
        Self::new(certificates.iter().map(|one| one.clone().into_owned()).collect())
    }

    pub(crate) fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, PkiError> {
        let unreadable = |reason: String| PkiError::unreadable("the certificate chain", reason);
        let [leaf, _authority] = certificates.as_slice() else {
            return Err(unreadable(format!(
                "it should have two certificates, its holder's and the authority's, and has {}",
                certificates.len()
            )));
        };
        let identity = Identity::of(leaf).map_err(|error| unreadable(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| unreadable(error.to_string()))?;
        let validity = parsed.validity();
        let [starts, expires] = [validity.not_before, validity.not_after]
            .map(|time| u64::try_from(time.timestamp()).unwrap_or(0).saturating_mul(1000));
        Ok(Self { identity, starts, expires, certificates })
    }

    /// Both certificates as PEM text.
    pub fn to_pem(&self) -> String {
        crate::pem::write(&self.certificates)
    }

    /// The certificates, the holder's first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Whom the first certificate names.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Which certificate it is.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificates[0])
    }

    /// The authority that it says has issued it.
    pub fn authority(&self) -> Fingerprint {
        Fingerprint::of(&self.certificates[1])
    }

    /// When the certificate starts to be valid, in milliseconds since the Unix epoch.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// When it ends, in milliseconds since the Unix epoch.
    pub fn expires(&self) -> u64 {
        self.expires
    }
}

impl TryFrom<String> for Chain {
    type Error = PkiError;

    fn try_from(text: String) -> Result<Self, PkiError> {
        Self::from_pem(&text)
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> Self {
        chain.to_pem()
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("identity", &self.identity)
            .field("authority", &self.authority())
            .field("expires", &self.expires)
            .finish()
    }
}
