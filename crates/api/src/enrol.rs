use std::fmt;

use icefield_pki::{Bundle, Chain, Identity, SigningRequest};
use icefield_spec::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks for a machine's first certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The join token.
    pub token: String,
    /// Proves the machine's key. The same one again gets the same answer.
    pub request: SigningRequest,
    /// Who the machine is to be.
    pub identity: Identity,
}

impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolRequest").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A machine's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnrolAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// Who it is now.
    pub identity: Identity,
    /// Its certificate.
    pub chain: Chain,
    /// Whom to trust.
    pub bundle: Bundle,
}

/// Says whom a machine trusts, and asks for its next certificate if it wants one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// The revision of the bundle that it has kept.
    pub bundle: Revision,
    /// Proves its next key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<SigningRequest>,
}

/// A machine's next certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RenewAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// Its certificate, if it asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// Whom to trust.
    pub bundle: Bundle,
}
