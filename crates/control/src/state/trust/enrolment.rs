use icefield_pki::{Chain, Fingerprint, Identity};
use icefield_spec::Revision;
use serde::{Deserialize, Serialize};

use super::Trust;

/// That a node or a server is one of the cluster's.
///
/// All its certificates are good that start no earlier than the one that it joined with. A machine that joins again under its
/// name gets one that starts later than all before, and so shuts out whoever had that name before; neither a lost answer nor a restored backup shuts out a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// When it joined, in milliseconds since 1970.
    pub since: u64,
    /// When its first certificate starts, in milliseconds since 1970.
    pub starts: u64,
    /// When the newest one starts that it was issued, as far as that was written down, in milliseconds since 1970.
    #[serde(default)]
    pub newest: u64,
    /// The authority of the certificate that it came with last.
    pub authority: Fingerprint,
    /// The bundle that it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Revision>,
}

/// That a machine gets another certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// When the one starts that it has shown, in milliseconds since 1970.
    pub shown: u64,
    /// When the new one does.
    pub next: u64,
}

impl Enrolment {
    /// That of a machine that has just been issued its first certificate.
    pub fn first(chain: &Chain, at: u64) -> Self {
        let starts = chain.starts();
        Self { since: at, starts, newest: starts, authority: chain.authority(), bundle: None }
    }

    /// The newest certificate of whoever has the name starts then, in milliseconds since 1970.
    pub fn latest(&self) -> u64 {
        self.starts.max(self.newest)
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
        renewal: Option<Renewal>,
    ) -> Result<bool, String> {
        let known = self.knows(identity, authority, bundle);
        let enrolment =
            self.enrolled.get_mut(identity).ok_or_else(|| format!("{identity} is not of this cluster any more"))?;
        if renewal.is_some_and(|renewal| renewal.shown < enrolment.starts) {
            return Err(format!("another machine has become {identity}; this one needs a new join token"));
        }
        enrolment.authority = authority;
        enrolment.bundle = Some(bundle);
        if let Some(Renewal { next, .. }) = renewal {
            enrolment.newest = enrolment.newest.max(next);
        }
        Ok(!known || renewal.is_some())
    }
}
