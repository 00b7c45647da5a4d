use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;

use super::{USABLE, VERSIONS, alpn, provider};
use crate::{Bundle, Credential};

/// To listen as `credential`, a server's or a node's.
///
/// A client need not have a certificate: it may have a token. One that it does present must be of an authority in
/// `bundle` and valid, or the handshake fails; whom it names, [`Identity::of`](crate::Identity::of) tells. HTTP/2 is
/// preferred to HTTP/1.1.
pub fn server_config(bundle: &Bundle, credential: &Credential) -> Arc<ServerConfig> {
    let verifier = WebPkiClientVerifier::builder_with_provider(bundle.roots(), provider())
        .allow_unauthenticated()
        .build()
        .expect("a bundle is not empty");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .expect(USABLE)
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(credential.certified())));
    config.alpn_protocols = alpn();
    // A resumed session would not look at certificates again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}
