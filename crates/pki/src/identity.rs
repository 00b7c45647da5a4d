use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use icefield_spec::Name;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Who holds a certificate: written `server/s1`, `node/n1`.
///
/// In a certificate it stands as a URI (`icefield:///node/n1`), which is what counts, and as the DNS names that TLS
/// verifies, which no resolver knows: `server.icefield` and `s1.server.icefield`, or `n1.node.icefield`. The subject
/// (`O = Icefield nodes, CN = n1`) is for people alone. The cluster is not in it: it is known by its authority.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A server of the cluster.
    Server(Name),
    /// A node of the cluster.
    Node(Name),
}

/// Why a certificate or a text names no [`Identity`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this names no server and no node of a cluster: {0}")]
pub struct InvalidIdentity(&'static str);

const SCHEME: &str = "icefield:///";

impl Identity {
    /// The DNS name that every server's certificate has.
    pub(crate) const ANY_SERVER: &'static str = "server.icefield";

    /// Reads the identity that a certificate names.
    ///
    /// It says nothing about who issued the certificate: call it for a peer's first certificate after the handshake.
    ///
    /// # Errors
    /// The certificate cannot be read, or has other names than the authority writes for one identity.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, InvalidIdentity> {
        let (rest, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| InvalidIdentity("it is not a certificate"))?;
        if !rest.is_empty() {
            return Err(InvalidIdentity("there is something behind the certificate"));
        }
        let names = parsed
            .subject_alternative_name()
            .map_err(|_| InvalidIdentity("its alternative names cannot be read"))?
            .ok_or(InvalidIdentity("the certificate has no alternative names"))?;
        let names = &names.value.general_names;
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let (Some(uri), None) = (uris.next(), uris.next()) else {
            return Err(InvalidIdentity("the certificate does not have exactly one URI"));
        };
        let path = uri.strip_prefix(SCHEME).ok_or(InvalidIdentity("its URI is not icefield:///…"))?;
        let identity: Self = path.parse()?;
        let dns: Option<Vec<&str>> = names
            .iter()
            .filter(|name| !matches!(name, GeneralName::URI(_)))
            .map(|name| match name {
                GeneralName::DNSName(dns) => Some(*dns),
                _ => None,
            })
            .collect();
        if dns.is_none_or(|dns| dns != identity.dns_names()) {
            return Err(InvalidIdentity("the certificate's DNS names are not those of its URI"));
        }
        Ok(identity)
    }

    /// Its name among servers or nodes.
    pub fn name(&self) -> &Name {
        match self {
            Self::Server(name) | Self::Node(name) => name,
        }
    }

    pub(crate) fn uri(&self) -> String {
        format!("{SCHEME}{self}")
    }

    /// What TLS verifies; the last one is of this identity alone.
    pub(crate) fn dns_names(&self) -> Vec<String> {
        match self {
            Self::Server(name) => vec![Self::ANY_SERVER.to_owned(), format!("{name}.server.icefield")],
            Self::Node(name) => vec![format!("{name}.node.icefield")],
        }
    }

    pub(crate) fn organization(&self) -> &'static str {
        match self {
            Self::Server(_) => "Icefield servers",
            Self::Node(_) => "Icefield nodes",
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(name) => write!(f, "server/{name}"),
            Self::Node(name) => write!(f, "node/{name}"),
        }
    }
}

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        let (role, name) = text.split_once('/').ok_or(InvalidIdentity("it is not of the form node/NAME"))?;
        let role = match role {
            "server" => Self::Server,
            "node" => Self::Node,
            _ => return Err(InvalidIdentity("it is neither server/NAME nor node/NAME")),
        };
        Ok(role(Name::new(name).map_err(|_| InvalidIdentity("what stands behind the / is not a name"))?))
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
