//! Whom the cluster trusts: its authorities, the machines that they have issued certificates to, and the tokens that let
//! others in.
//!
//! The authorities' private keys are part of it, so that any server that comes to lead can issue certificates: a snapshot or
//! a backup of the state is as secret as they are. No `Debug`, answer, event or audit entry shows them. Of tokens there is only
//! what verifies them.

mod enrolment;
mod join_token;
mod rotation;
mod step;
mod user_token;

use std::collections::BTreeMap;

use icefield_api::{RotationPhase, TrustMark};
use icefield_pki::{Authority, Bundle, Fingerprint, Identity, TokenId};
use icefield_spec::Name;
use serde::{Deserialize, Serialize};

pub use self::enrolment::{Enrolment, Renewal};
pub use self::join_token::{JoinRecord, Used};
pub use self::step::TrustStep;
pub use self::user_token::{Secret, UserRecord};

/// Whom the cluster trusts. It is empty in a cluster without certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trust {
    /// The authorities that are trusted: one, or two during a rotation.
    pub authorities: Vec<Authority>,
    /// What follows from the authorities, in short.
    pub mark: Option<TrustMark>,
    /// Their certificates.
    pub bundle: Option<Bundle>,
    /// How far a rotation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RotationPhase>,
    /// Until when a new authority is made known at least, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_until: Option<u64>,
    /// The join tokens.
    pub join_tokens: BTreeMap<TokenId, JoinRecord>,
    /// The tokens of people and programs, by name.
    pub users: BTreeMap<Name, UserRecord>,
    /// The machines that are of the cluster.
    pub enrolled: BTreeMap<Identity, Enrolment>,
}

impl Trust {
    /// Whether there is none: the cluster has no certificates.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }

    /// The authority that issues certificates.
    pub fn signer(&self) -> Option<&Authority> {
        let signer = self.mark.as_ref()?.signer;
        self.authorities.iter().find(|authority| authority.fingerprint() == signer)
    }

    /// Makes anew what follows from the authorities.
    fn trust_now(&mut self, signer: Fingerprint) {
        let bundles = self.authorities.iter().map(Bundle::from);
        self.bundle = bundles.reduce(|all, one| all.with(&one));
        self.mark = self.bundle.as_ref().map(|bundle| TrustMark { bundle: bundle.revision(), signer });
    }
}

#[cfg(test)]
mod tests;
