use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a cluster, base, node, pool, service or port.
///
/// Names are DNS labels (RFC 1123): 1 to 63 of `a-z`, `0-9` and `-`, starting and ending with a letter or digit; they
/// can thus stand in host names, unit names, file names and URLs without escaping. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name: {reason}")]
pub struct InvalidName {
    text: String,
    reason: &'static str,
}

impl Name {
    /// The longest a name may be, in bytes.
    pub const MAX_LEN: usize = 63;

    /// Checks `text` and makes a name of it.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let fail = |reason| {
            let text = text.chars().take(80).collect();
            Err(InvalidName { text, reason })
        };
        if text.is_empty() {
            return fail("it is empty");
        }
        if text.len() > Self::MAX_LEN {
            return fail("it is longer than 63 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return fail("only a-z, 0-9 and '-' may stand in it");
        }
        if text.starts_with('-') || text.ends_with('-') {
            return fail("it must start and end with a letter or digit");
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in the name of a variable: `raft-rpc` is `RAFT_RPC`.
    pub(crate) fn in_capitals(&self) -> String {
        self.0.to_ascii_uppercase().replace('-', "_")
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A DNS label: 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit.",
            "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_dns_labels_only() {
        for good in ["a", "web", "web-1", "0", &"x".repeat(63)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "Web", "a_b", "a.b", "ä", "a/b", &"x".repeat(64)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
