use std::fmt;
use std::str::FromStr;

use icefield_spec::{InvalidName, Name};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which secret: its name within a namespace, or within none. Written `shop/db-password`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretId {
    /// The namespace whose services may use it; those of no namespace if there is none.
    pub namespace: Option<Name>,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => self.name.fmt(f),
        }
    }
}

impl FromStr for SecretId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Ok(match text.split_once('/') {
            Some((namespace, name)) => Self { namespace: Some(Name::new(namespace)?), name: Name::new(name)? },
            None => Self { namespace: None, name: Name::new(text)? },
        })
    }
}

impl Serialize for SecretId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
