use icefield_spec::Revision;

use super::Held;
use crate::TrustMark;

/// What a machine has to do about its certificate and its bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// Say which bundle it has, and hear of the one that it should have.
    Tell,
    /// Ask for its next certificate as well.
    Renew,
}

/// What is due at `now` (milliseconds since 1970). `told` is the bundle that the cluster was told of, `mark` what the cluster
/// last said; `jitter` of 0 to 1 spreads renewals.
pub(super) fn due(held: &Held, told: Option<Revision>, mark: Option<&TrustMark>, now: u64, jitter: f64) -> Due {
    let Some(credential) = &held.credential else { return Due::Nothing };
    let superseded = mark.is_some_and(|mark| credential.chain().authority() != mark.signer);
    if superseded || credential.renew_at(jitter) <= now {
        return Due::Renew;
    }
    let bundle = held.bundle.revision();
    // Before anything is heard of the cluster there is nobody to tell.
    let news = mark.is_some_and(|mark| mark.bundle != bundle || told != Some(bundle));
    if news { Due::Tell } else { Due::Nothing }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use icefield_pki::{Authority, Bundle, Credential, Identity, KeyPair};
    use icefield_spec::Name;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const DAY: u64 = 24 * 3_600_000;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn held(authority: &Authority) -> Held {
        let key = KeyPair::generate().unwrap();
        let validity = Duration::from_millis(30 * DAY);
        let chain = authority.issue(&key.request().unwrap(), &Identity::Node(name("n1")), validity, NOW).unwrap();
        Held { bundle: authority.into(), credential: Some(Credential::new(chain, key).unwrap()) }
    }

    #[test]
    fn renews_at_half_life_and_when_another_authority_signs() {
        let [old, new] = [(); 2].map(|()| Authority::create(&name("shop"), NOW).unwrap());
        let held = held(&old);
        let told = Some(held.bundle.revision());
        let mark = TrustMark { bundle: held.bundle.revision(), signer: old.fingerprint() };
        let due = |told, mark: &TrustMark, now| due(&held, told, Some(mark), now, 0.5);
        assert_eq!(due(told, &mark, NOW), Due::Nothing);
        assert_eq!(due(told, &mark, NOW + 14 * DAY), Due::Nothing);
        assert_eq!(due(told, &mark, NOW + 16 * DAY), Due::Renew);
        assert_eq!(due(None, &mark, NOW), Due::Tell, "nobody knows yet what it has");
        assert_eq!(super::due(&held, None, None, NOW, 0.5), Due::Nothing, "nor does it know of anybody");
        let both = held.bundle.with(&Bundle::from(&new)).revision();
        let spreading = TrustMark { bundle: both, signer: old.fingerprint() };
        assert_eq!(due(told, &spreading, NOW), Due::Tell);
        let renewing = TrustMark { bundle: both, signer: new.fingerprint() };
        assert_eq!(due(told, &renewing, NOW), Due::Renew);
    }
}
