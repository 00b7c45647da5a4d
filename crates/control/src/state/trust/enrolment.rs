use icefield_pki::{Chain, Fingerprint, Identity};
use icefield_spec::Revision;
use serde::{Deserialize, Serialize};

use super::Trust;

/// The certificate of a node or a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Which certificate it was issued last.
    pub certificate: Fingerprint,
    /// The one that it used when it asked for that: the answer may not have reached it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Fingerprint>,
    /// The authority that issued the last one.
    pub authority: Fingerprint,
    /// Since when it is enrolled, in milliseconds since 1970.
    pub since: u64,
    /// The bundle that it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Revision>,
    /// Whether it has used a certificate of this authority.
    #[serde(default)]
    pub proven: bool,
}

impl Enrolment {
    /// A machine's first certificate.
    pub fn first(chain: &Chain, at: u64) -> Self {
        Self {
            certificate: chain.fingerprint(),
            before: None,
            authority: chain.authority(),
            since: at,
            bundle: None,
            proven: false,
        }
    }

    /// Whether a certificate is its last one, or the one before.
    pub(super) fn has(&self, certificate: Fingerprint) -> bool {
        self.certificate == certificate || self.before == Some(certificate)
    }
}

impl Trust {
    /// Takes up what a machine says of its bundle and the certificate that it is issued, having `presented` another.
    pub(super) fn renew(
        &mut self,
        identity: &Identity,
        presented: Fingerprint,
        chain: Option<&Chain>,
        bundle: Revision,
    ) -> Result<bool, String> {
        let signer = self.mark.map(|mark| mark.signer);
        if chain.is_some_and(|chain| Some(chain.authority()) != signer) {
            return Err("the authority was changed in this very moment; ask again".into());
        }
        let Some(enrolment) = self.enrolled.get_mut(identity).filter(|enrolment| enrolment.has(presented)) else {
            return Err(format!("{identity} is not of this cluster any more; join again with a new token"));
        };
        let proven = enrolment.proven || enrolment.certificate == presented;
        let renewed = match chain {
            Some(chain) => Enrolment {
                certificate: chain.fingerprint(),
                before: Some(presented),
                authority: chain.authority(),
                since: enrolment.since,
                bundle: Some(bundle),
                proven: false,
            },
            None => Enrolment { bundle: Some(bundle), proven, ..enrolment.clone() },
        };
        let changed = renewed != *enrolment;
        *enrolment = renewed;
        Ok(changed)
    }

    /// Takes a machine's certificate back; whether it had one.
    pub(super) fn forget(&mut self, identity: &Identity) -> bool {
        self.enrolled.remove(identity).is_some()
    }
}
