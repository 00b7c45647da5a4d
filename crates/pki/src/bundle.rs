use std::fmt;
use std::sync::Arc;

use icefield_spec::Revision;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::{Authority, Fingerprint, PkiError};

/// The certificates of the authorities that are trusted: one, or two while one takes over from the other; PEM text in
/// serde.
///
/// It is never empty, and the same authorities are the same bundle in whatever order they came. Cloning is cheap.
#[derive(Clone)]
pub struct Bundle {
    /// Sorted by fingerprint, each once.
    certificates: Arc<[CertificateDer<'static>]>,
    roots: Arc<RootCertStore>,
}

impl Bundle {
    /// Reads PEM text.
    ///
    /// # Errors
    /// There is no certificate in it, or one that is not an authority's.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        Self::new(crate::pem::read("the bundle of authorities", text)?)
    }

    fn new(mut certificates: Vec<CertificateDer<'static>>) -> Result<Self, PkiError> {
        if certificates.is_empty() {
            return Err(PkiError::EmptyBundle);
        }
        certificates.sort_by_key(Fingerprint::of);
        certificates.dedup();
        let unreadable = |reason| PkiError::unreadable("the bundle of authorities", reason);
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            let parsed = X509Certificate::from_der(certificate);
            if !parsed.is_ok_and(|(rest, parsed)| rest.is_empty() && parsed.is_ca()) {
                return Err(unreadable("one of its certificates is not that of an authority"));
            }
            roots.add(certificate.clone()).map_err(|_| unreadable("one of its certificates cannot be trusted"))?;
        }
        Ok(Self { certificates: certificates.into(), roots: roots.into() })
    }

    /// The certificates as PEM text.
    pub fn to_pem(&self) -> String {
        crate::pem::write(self.certificates.iter())
    }

    /// The bundle that trusts all that either trusts: how a rotation starts.
    pub fn with(&self, other: &Bundle) -> Self {
        let both = self.certificates.iter().chain(other.certificates.iter()).cloned();
        Self::new(both.collect()).expect("what is in a bundle can be in a bundle")
    }

    /// The bundle that no longer trusts one authority: how a rotation ends. One that is not in it changes nothing.
    ///
    /// # Errors
    /// [`PkiError::EmptyBundle`], if it was the only one.
    pub fn without(&self, authority: Fingerprint) -> Result<Self, PkiError> {
        Self::new(self.certificates.iter().filter(|one| Fingerprint::of(one) != authority).cloned().collect())
    }

    /// Whether it trusts this authority. One who joins must see the pinned one in the bundle that it is given.
    pub fn contains(&self, authority: Fingerprint) -> bool {
        self.authorities().any(|one| one == authority)
    }

    /// The authorities, in ascending order.
    pub fn authorities(&self) -> impl Iterator<Item = Fingerprint> {
        self.certificates.iter().map(Fingerprint::of)
    }

    /// The hash of what is in it: equal for equal bundles only.
    pub fn revision(&self) -> Revision {
        Revision::of(self)
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }
}

impl From<&Authority> for Bundle {
    fn from(authority: &Authority) -> Self {
        Self::new(vec![authority.certificate().clone()]).expect("an authority's certificate can be trusted")
    }
}

impl PartialEq for Bundle {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for Bundle {}

impl Serialize for Bundle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_pem())
    }
}

impl<'de> Deserialize<'de> for Bundle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_pem(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bundle ")?;
        f.debug_list().entries(self.authorities()).finish()
    }
}
