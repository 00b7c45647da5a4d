use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{PkiError, SigningRequest};

/// A private key with its public one: ECDSA on P-256.
///
/// It does not leave the machine that made it; what travels is its [`SigningRequest`].
pub struct KeyPair(rcgen::KeyPair);

impl KeyPair {
    /// A new one, from the system's random numbers.
    ///
    /// # Errors
    /// [`PkiError::NoRandomness`].
    pub fn generate() -> Result<Self, PkiError> {
        rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self).map_err(|_| PkiError::NoRandomness)
    }

    /// Reads the PEM text of a PKCS #8 key (`BEGIN PRIVATE KEY`), wherever it stands in `text`.
    ///
    /// # Errors
    /// The text is something else, or a key of another algorithm.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        let unreadable = |reason| PkiError::unreadable("the private key", reason);
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| unreadable("there is no whole PRIVATE KEY in it"))?;
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| unreadable("it is not a key for ECDSA on P-256"))
    }

    /// The key as PEM text: a secret, for a file that only its owner can read.
    pub fn to_pem(&self) -> String {
        crate::pem::encode("PRIVATE KEY", self.0.serialized_der())
    }

    /// Asks for a certificate for this key, and proves that the asker has it. It names nobody: the authority decides that.
    ///
    /// # Errors
    /// [`PkiError::Unwritable`], if signing fails.
    pub fn request(&self) -> Result<SigningRequest, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let unwritable = |error| PkiError::unwritable("a signing request", error);
        let request = params.serialize_request(&self.0).map_err(unwritable)?;
        Ok(SigningRequest::from_pem(crate::pem::encode("CERTIFICATE REQUEST", request.der())))
    }

    pub(crate) fn inner(&self) -> &rcgen::KeyPair {
        &self.0
    }

    pub(crate) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.0.serialized_der().to_vec().into())
    }

    /// The point of the public key, as a certificate has it.
    pub(crate) fn public(&self) -> &[u8] {
        self.0.der_bytes()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(..)")
    }
}
