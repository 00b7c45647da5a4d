use icefield_pki::{Chain, Fingerprint, Identity};
use icefield_spec::Revision;
use serde::{Deserialize, Serialize};

use super::Trust;

/// That a node or a server is one of the cluster's.
///
/// Its certificates are renewed without being written down here, each for the next weeks; all are good that start no
/// earlier than the one that it joined with. So a machine that joins again under its name shuts out whoever had that name
/// before, and neither a lost answer nor a restored backup shuts out a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// When it joined, in milliseconds since 1970.
    pub since: u64,
    /// When its first certificate starts, in milliseconds since 1970.
    pub starts: u64,
    /// The authority of the certificate that it came with last.
    pub authority: Fingerprint,
    /// The bundle that it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Revision>,
}

impl Enrolment {
    /// That of a machine that has just been issued its first certificate.
    pub fn first(chain: &Chain, at: u64) -> Self {
        Self { since: at, starts: chain.starts(), authority: chain.authority(), bundle: None }
    }
}

impl Trust {
    /// Whether a certificate that names `identity` and starts at `starts` is good. That an authority of the bundle has issued
    /// it and that it has not ended is for TLS to check.
    pub fn admits(&self, identity: &Identity, starts: u64) -> bool {
        self.enrolled.get(identity).is_some_and(|enrolment| starts >= enrolment.starts)
    }

    /// Whether it is known already what a machine tells of its certificate and its bundle.
    pub fn knows(&self, identity: &Identity, authority: Fingerprint, bundle: Revision) -> bool {
        let enrolment = self.enrolled.get(identity);
        enrolment.is_some_and(|enrolment| enrolment.authority == authority && enrolment.bundle == Some(bundle))
    }

    /// Takes up what a machine tells; whether that is new.
    pub(super) fn told(
        &mut self,
        identity: &Identity,
        authority: Fingerprint,
        bundle: Revision,
    ) -> Result<bool, String> {
        let known = self.knows(identity, authority, bundle);
        let enrolment =
            self.enrolled.get_mut(identity).ok_or_else(|| format!("{identity} is not of this cluster any more"))?;
        enrolment.authority = authority;
        enrolment.bundle = Some(bundle);
        Ok(!known)
    }
}
