//! Certificates as PEM text.

use pem::{EncodeConfig, LineEnding, Pem};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::PkiError;

/// More than any chain or bundle of ours has, so that a hostile text costs little.
const MAX_LEN: usize = 64 * 1024;

/// All certificates that stand in `text`; at least one.
pub(crate) fn read(what: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    if text.len() > MAX_LEN {
        return Err(PkiError::unreadable(what, "it is longer than 64 KiB"));
    }
    let all = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| PkiError::unreadable(what, error))?;
    if all.is_empty() {
        return Err(PkiError::unreadable(what, "there is no CERTIFICATE in it"));
    }
    Ok(all)
}

/// The certificates, one below the other.
pub(crate) fn write<'a>(all: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    all.into_iter().map(|one| encode("CERTIFICATE", one)).collect()
}

/// One block of PEM.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}
