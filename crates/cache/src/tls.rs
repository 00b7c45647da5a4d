use std::sync::Arc;

use icefield_pki::rustls::crypto::ring::default_provider;
use icefield_pki::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use icefield_pki::rustls::{ClientConfig, DEFAULT_VERSIONS, Error, RootCertStore, ServerConfig};

/// A certificate, or the key to one, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCertificate {
    /// The text is not in the form in which certificates are kept.
    #[error("it is no PEM file: {0}")]
    Pem(#[from] pem::PemError),
    /// There is none in it.
    #[error("there is no {0} in it")]
    Missing(&'static str),
    /// TLS does not take it.
    #[error("it cannot be used: {0}")]
    Tls(#[from] Error),
}

/// To reach caches of anybody: trusts the authorities in a PEM file, such as `/etc/ssl/certs/ca-certificates.crt`.
///
/// # Errors
/// There are none in it.
pub fn public_config(authorities: &str) -> Result<ClientConfig, InvalidCertificate> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(authorities)?);
    if added == 0 {
        return Err(InvalidCertificate::Missing("authority"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config =
        builder.with_protocol_versions(DEFAULT_VERSIONS)?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// To serve with a certificate that clients trust for other reasons than that it is the cluster's: both are PEM files.
///
/// # Errors
/// They cannot be read, or do not belong together.
pub fn certificate_config(chain: &str, key: &str) -> Result<Arc<ServerConfig>, InvalidCertificate> {
    let chain = certificates(chain)?;
    if chain.is_empty() {
        return Err(InvalidCertificate::Missing("certificate"));
    }
    let key = pem::parse_many(key)?.into_iter().find(|one| one.tag().ends_with("PRIVATE KEY"));
    let key = key.ok_or(InvalidCertificate::Missing("private key"))?.into_contents();
    let key = PrivateKeyDer::try_from(key).map_err(|_| InvalidCertificate::Missing("private key that is known"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config =
        builder.with_protocol_versions(DEFAULT_VERSIONS)?.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, InvalidCertificate> {
    let all = pem::parse_many(text)?.into_iter().filter(|one| one.tag() == "CERTIFICATE");
    Ok(all.map(|one| one.into_contents().into()).collect())
}
