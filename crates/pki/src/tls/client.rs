use std::sync::Arc;

use icefield_spec::Name;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::{USABLE, VERSIONS, alpn, provider, refused};
use crate::{Bundle, Credential, Identity};

/// Whom a client means to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Any server of the cluster.
    Server,
    /// The one server of this name.
    ServerNamed(Name),
    /// The node of this name.
    Node(Name),
}

/// To reach `expect` at whatever address it has: as `credential`, or as someone without a certificate.
///
/// HTTP/2 is preferred to HTTP/1.1, so the HTTP client must know both.
pub fn client_config(bundle: &Bundle, credential: Option<&Credential>, expect: Expect) -> ClientConfig {
    let webpki =
        WebPkiServerVerifier::builder_with_provider(bundle.roots(), provider()).build().expect("a bundle is not empty");
    config(Arc::new(IdentityVerifier { webpki, expect }), credential)
}

pub(super) fn config(verifier: Arc<dyn ServerCertVerifier>, credential: Option<&Credential>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .expect(USABLE)
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match credential {
        Some(credential) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(credential.certified()))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn();
    // A resumed session would not look at certificates again.
    config.resumption = Resumption::disabled();
    config
}

impl Expect {
    /// The DNS name that only the expected have in their certificates.
    fn dns_name(&self) -> ServerName<'static> {
        let name = match self {
            Self::Server => Identity::ANY_SERVER.to_owned(),
            Self::ServerNamed(name) => own_name(Identity::Server(name.clone())),
            Self::Node(name) => own_name(Identity::Node(name.clone())),
        };
        ServerName::try_from(name).expect("names are DNS labels")
    }

    fn admits(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Server, Identity::Server(_)) => true,
            (Self::ServerNamed(expected), Identity::Server(name)) => expected == name,
            (Self::Node(expected), Identity::Node(name)) => expected == name,
            _ => false,
        }
    }

    /// What a TLS client checks of a web site, with the name of the expected in place of the one that was dialled; and that
    /// the certificate names one identity and nothing else.
    pub(super) fn verify(
        &self,
        webpki: &WebPkiServerVerifier,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = webpki.verify_server_cert(leaf, intermediates, &self.dns_name(), ocsp, now)?;
        let identity = Identity::of(leaf).map_err(refused)?;
        if !self.admits(&identity) {
            return Err(refused(Unexpected { expected: self.clone(), identity }));
        }
        Ok(verified)
    }
}

fn own_name(identity: Identity) -> String {
    identity.dns_names().pop().expect("every identity has a name of its own")
}

#[derive(Debug, thiserror::Error)]
#[error("{identity} answers where {expected:?} was expected")]
struct Unexpected {
    expected: Expect,
    identity: Identity,
}

#[derive(Debug)]
struct IdentityVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    expect: Expect,
}

impl ServerCertVerifier for IdentityVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.expect.verify(&self.webpki, leaf, intermediates, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
