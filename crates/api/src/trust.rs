use icefield_pki::{Bundle, Fingerprint, Identity};
use icefield_spec::{Millis, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whom the cluster trusts now, in short: who has another bundle should fetch this one, and who has a certificate of another
/// authority should renew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrustMark {
    /// The revision of the bundle.
    pub bundle: Revision,
    /// The authority that issues certificates.
    pub signer: Fingerprint,
}

impl TrustMark {
    /// The header of every answer that carries the bundle's revision.
    pub const HEADER: &'static str = "icefield-bundle";
}

/// Whom the cluster trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrustAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The certificates of the authorities.
    pub bundle: Bundle,
    /// The authority that issues certificates.
    pub signer: Fingerprint,
}

/// How far the change from one authority to another is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RotationPhase {
    /// The new authority is made known to everyone; the old one still issues.
    Spreading,
    /// The new one issues; everyone renews.
    Renewing,
}

/// An authority of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthorityStatus {
    /// Which one.
    pub fingerprint: Fingerprint,
    /// When it ends, in milliseconds since 1970 (UTC).
    pub expires: u64,
    /// Whether it issues certificates; one that does not is only trusted.
    pub signs: bool,
}

/// The cluster's authorities, and how far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaStatus {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The authorities.
    pub authorities: Vec<AuthorityStatus>,
    /// How far a rotation is; absent if none is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RotationPhase>,
    /// Until when the new authority is made known at least, in milliseconds since 1970 (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Whom it waits for.
    pub waits_for: Vec<Identity>,
    /// The people whose tokens name an authority that is no longer trusted: they still work for who is logged in, and not
    /// for a new login.
    pub outdated_tokens: Vec<String>,
}

/// Starts a rotation, or goes on with one without those that it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Whether to go on though that locks out those that are waited for.
    #[serde(default)]
    pub finish: bool,
    /// How long the new authority is made known at least, so that people who are logged in hear of it: each does with the
    /// first command in that time.
    #[serde(default = "no_time")]
    pub spread: Millis,
}

fn no_time() -> Millis {
    Millis::new(0)
}
