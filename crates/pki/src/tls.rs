//! TLS configurations.

mod client;
mod explain;
mod joining;
mod server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, Error, OtherError, SupportedProtocolVersion};

pub use client::{Expect, client_config};
pub use explain::explain;
pub use joining::joining_config;
pub use server::server_config;

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
const USABLE: &str = "ring's provider has cipher suites for TLS 1.3";

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// HTTP/2 before HTTP/1.1.
fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

/// A certificate is refused for a reason of ours.
fn refused(reason: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

/// For a client that speaks plain HTTP alone: it trusts nobody.
pub fn nobody_config() -> rustls::ClientConfig {
    joining_config(crate::Fingerprint::of(&rustls::pki_types::CertificateDer::from(Vec::new())))
}
