use rcgen::{CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256, PublicKey, PublicKeyData};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::PkiError;

/// A certificate signing request (PKCS #10), as PEM text: a public key, signed with its private one.
///
/// It comes from someone not yet known, so it is just a text until an authority looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SigningRequest(String);

impl SigningRequest {
    /// Ours has some 350 bytes; what other programs write has little more.
    const MAX_LEN: usize = 8 * 1024;

    /// Takes a text as a request. Whether it is one, the authority says.
    pub fn from_pem(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The PEM text.
    pub fn as_pem(&self) -> &str {
        &self.0
    }

    /// The key that the asker has proved to have. Nothing else of the request is believed or kept.
    pub(crate) fn public_key(&self) -> Result<PublicKey, PkiError> {
        let refused = PkiError::RefusedRequest;
        if self.0.len() > Self::MAX_LEN {
            return Err(refused("it is longer than 8 KiB"));
        }
        let der = CertificateSigningRequestDer::from_pem_slice(self.0.as_bytes())
            .map_err(|_| refused("it is not the PEM text of a CERTIFICATE REQUEST"))?;
        let request = CertificateSigningRequestParams::from_der(&der).map_err(|error| match error {
            rcgen::Error::InvalidCertificationRequestSignature => refused("its signature is wrong"),
            rcgen::Error::UnsupportedExtension => refused("it asks for extensions that no certificate here has"),
            _ => refused("it cannot be read"),
        })?;
        let key = request.public_key;
        // An uncompressed point of P-256; the algorithm alone is that of the signature and says nothing of the curve.
        let is_p256 = key.der_bytes().len() == 65 && key.der_bytes()[0] == 4;
        if key.algorithm() != &PKCS_ECDSA_P256_SHA256 || !is_p256 {
            return Err(refused("its key is not one for ECDSA on P-256"));
        }
        Ok(key)
    }
}
