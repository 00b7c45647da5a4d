use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// In words, why a handshake failed over a certificate, if that is what an error of an HTTP client or of TLS comes from.
///
/// What TLS itself says is for those who know it well: "invalid peer certificate: UnknownIssuer".
pub fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref() {
            return words(tls);
        }
        // What an I/O error holds is not its source: that is the source of what it holds.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

fn words(error: &rustls::Error) -> Option<String> {
    use CertificateError as Peer;
    let text = match error {
        rustls::Error::InvalidCertificate(peer) => match peer {
            Peer::Other(ours) => return Some(ours.0.to_string()),
            Peer::Expired | Peer::ExpiredContext { .. } => {
                "the peer's certificate has expired; check both clocks, then why it was not renewed"
            }
            Peer::NotValidYet | Peer::NotValidYetContext { .. } => {
                "the peer's certificate is not valid yet; check both clocks"
            }
            Peer::UnknownIssuer | Peer::BadSignature => {
                "the peer's certificate was issued by an authority that is not trusted here; check whether the address \
                 belongs to this cluster"
            }
            Peer::NotValidForName | Peer::NotValidForNameContext { .. } => {
                "the peer is of this cluster and not the one that was expected; check the address"
            }
            _ => return None,
        },
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateExpired => {
                "the peer says that our certificate has expired; check both clocks, then why it was not renewed"
            }
            AlertDescription::UnknownCA | AlertDescription::DecryptError => {
                "the peer does not trust the authority of our certificate; check whether the address belongs to this cluster"
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(text.to_owned())
}
