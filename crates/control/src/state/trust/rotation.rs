use icefield_api::RotationPhase;
use icefield_pki::{Authority, Fingerprint, Identity};

use super::Trust;

/// A rotation goes through two phases, so that at no moment anyone meets a certificate that it does not trust:
///
/// 1. *Spreading*: the new authority is in the bundle, the old one issues. It lasts until every enrolled machine has said that
///    it has this bundle, and at least as long as was asked for: so long people's clients hear of it.
/// 2. *Renewing*: the new one issues. It lasts until every enrolled machine has used a certificate of it.
///
/// Then the old one is trusted no more.
impl Trust {
    /// Starts a rotation.
    pub(super) fn rotate(&mut self, next: Authority, until: u64) -> Result<(), String> {
        let Some(mark) = self.mark else {
            return Err("this cluster has no certificates, so there is no authority to change".into());
        };
        if let Some(phase) = self.phase {
            return Err(match phase {
                RotationPhase::Spreading => "a rotation is under way: the new authority is being made known",
                RotationPhase::Renewing => "a rotation is under way: certificates are being renewed",
            }
            .into());
        }
        self.authorities.push(next);
        self.phase = Some(RotationPhase::Spreading);
        self.spread_until = Some(until);
        self.trust_now(mark.signer);
        Ok(())
    }

    /// Goes on from `phase`.
    pub(super) fn advance(&mut self, phase: RotationPhase) -> Result<(), String> {
        if self.phase != Some(phase) {
            return Err("the rotation is not there any more".into());
        }
        let next = self.next_signer().ok_or("there is no other authority")?;
        self.spread_until = None;
        match phase {
            RotationPhase::Spreading => self.phase = Some(RotationPhase::Renewing),
            RotationPhase::Renewing => {
                self.phase = None;
                self.authorities.retain(|authority| authority.fingerprint() == next);
            }
        }
        self.trust_now(next);
        Ok(())
    }

    /// Whom the rotation waits for; nobody if none is under way.
    pub fn waits_for(&self) -> Vec<&Identity> {
        let (Some(phase), Some(mark)) = (self.phase, self.mark) else { return Vec::new() };
        let waits = self.enrolled.iter().filter(|(_, enrolment)| match phase {
            RotationPhase::Spreading => enrolment.bundle != Some(mark.bundle),
            RotationPhase::Renewing => enrolment.authority != mark.signer,
        });
        waits.map(|(identity, _)| identity).collect()
    }

    /// The authority that is to sign when the rotation is over.
    fn next_signer(&self) -> Option<Fingerprint> {
        self.authorities.last().map(Authority::fingerprint)
    }
}
