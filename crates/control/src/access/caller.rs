use std::collections::BTreeSet;
use std::fmt;

use icefield_api::Role;
use icefield_pki::{Chain, Fingerprint, Identity, UserToken};
use icefield_spec::Name;
use serde::{Deserialize, Serialize};

use crate::state::Trust;

/// Who a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Anyone on this machine, in a cluster without certificates.
    Local,
    /// A server.
    Server(Name),
    /// A node.
    Node(Name),
    /// The bearer of a token.
    User {
        /// Whose token it is.
        name: Name,
        /// What it may do.
        role: Role,
        /// The namespaces that it may change; all if empty.
        namespaces: BTreeSet<Name>,
    },
    /// Nobody who is known, and why not.
    Nobody(&'static str),
}

/// The other end of a connection, as it has shown itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The address that it has.
    pub from: String,
    /// What it came with.
    pub presented: Presented,
}

/// What the other end of a connection came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presented {
    /// There is no TLS, so nothing can be shown.
    Plain,
    /// No certificate.
    Nothing,
    /// A certificate that an authority of the cluster has issued.
    Certificate {
        /// Whom it names.
        identity: Identity,
        /// When it starts, in milliseconds since 1970.
        starts: u64,
        /// Which authority.
        authority: Fingerprint,
    },
}

impl From<&Chain> for Presented {
    fn from(chain: &Chain) -> Self {
        Self::Certificate { identity: chain.identity().clone(), starts: chain.starts(), authority: chain.authority() }
    }
}

impl Caller {
    /// Who it is, by what it came with and the token in its request, if there is one.
    pub fn of(trust: &Trust, presented: &Presented, token: Option<&str>, now: u64) -> Self {
        match (presented, token) {
            (Presented::Plain, _) if trust.is_empty() => Self::Local,
            (Presented::Certificate { identity, starts, .. }, _) => match identity {
                _ if !trust.admits(identity, *starts) => Self::Nobody(
                    "this certificate is good no more: the machine was removed, or another one joined under its name; join again \
                     with a new token",
                ),
                Identity::Server(name) => Self::Server(name.clone()),
                Identity::Node(name) => Self::Node(name.clone()),
            },
            (_, None) => Self::Nobody("there is neither a token nor a certificate"),
            (_, Some(token)) => match token.parse::<UserToken>() {
                Err(_) => {
                    Self::Nobody("what was given as a token is none of a person's; it starts with icefield-user.")
                }
                Ok(token) => match trust.user(&token, now) {
                    Err(reason) => Self::Nobody(reason),
                    Ok((name, record)) => {
                        let namespaces = record.namespaces.clone();
                        Self::User { name: name.clone(), role: record.role, namespaces }
                    }
                },
            },
        }
    }

    /// The namespaces that it may change; all if empty.
    pub fn namespaces(&self) -> BTreeSet<Name> {
        match self {
            Self::User { namespaces, .. } => namespaces.clone(),
            _ => BTreeSet::new(),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Server(name) => write!(f, "server {name}"),
            Self::Node(name) => write!(f, "node {name}"),
            Self::User { name, .. } => write!(f, "user {name}"),
            Self::Nobody(_) => f.write_str("nobody"),
        }
    }
}
