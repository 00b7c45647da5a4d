use std::time::Duration;

use icefield_pki::{Authority, Bundle, Credential, Identity, KeyPair};
use icefield_spec::Name;

/// When the certificates of these tests are issued, in milliseconds since the Unix epoch.
pub(crate) const NOW: u64 = 1_800_000_000_000;
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn server(text: &str) -> Identity {
    Identity::Server(name(text))
}

pub(crate) fn node(text: &str) -> Identity {
    Identity::Node(name(text))
}

pub(crate) fn authority() -> Authority {
    Authority::create(&name("shop"), NOW).unwrap()
}

/// A cluster of one authority.
pub(crate) struct Cluster {
    pub(crate) authority: Authority,
    pub(crate) bundle: Bundle,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self::of(authority())
    }

    pub(crate) fn of(authority: Authority) -> Self {
        Self { bundle: Bundle::from(&authority), authority }
    }

    /// A credential that is issued at [`NOW`] for thirty days.
    pub(crate) fn credential(&self, identity: Identity) -> Credential {
        let key = KeyPair::generate().unwrap();
        let chain = self.authority.issue(&key.request().unwrap(), &identity, 30 * DAY, NOW).unwrap();
        Credential::new(chain, key).unwrap()
    }
}
