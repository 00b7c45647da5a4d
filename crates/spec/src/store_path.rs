use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The path of something in a Nix store: `/nix/store/<hash>-<name>`, without anything below it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(String);

/// Why a text is not a [`StorePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a store path: {reason}")]
pub struct InvalidStorePath {
    text: String,
    reason: &'static str,
}

impl StorePath {
    /// The longest it may be, in bytes: no file system takes more.
    pub const MAX_LEN: usize = 4_000;

    /// Checks `text` and makes a store path of it.
    ///
    /// # Errors
    /// If it is not absolute, has a part that leads elsewhere, or does not end in a hash and a name.
    pub fn new(text: &str) -> Result<Self, InvalidStorePath> {
        let fail = |reason| Err(InvalidStorePath { text: text.chars().take(120).collect(), reason });
        if text.len() > Self::MAX_LEN {
            return fail("it is too long");
        }
        let Some((store, last)) = text.rsplit_once('/').filter(|(store, _)| store.starts_with('/')) else {
            return fail("it is written whole, like \"/nix/store/<hash>-<name>\"");
        };
        if store.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            return fail("no part of it may be empty, \".\" or \"..\"");
        }
        if !store.bytes().all(|b| b.is_ascii_graphic()) {
            return fail("no white space or control character may stand in it");
        }
        let Some((hash, name)) = last.split_once('-').filter(|(_, name)| !name.is_empty()) else {
            return fail("its last part is a hash, '-' and a name");
        };
        if hash.len() != 32
            || !hash.bytes().all(|b| b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"eotu".contains(&b)))
        {
            return fail("its hash has 32 characters of 0-9 and a-z without e, o, t, u");
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b)) {
            return fail("only letters, digits and +-._?= may stand in its name");
        }
        Ok(Self(text.into()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last part with a hash short enough to read: `s5zyn9lm-nixos-system`.
    pub fn short(&self) -> String {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        let (hash, name) = last.split_once('-').unwrap_or((last, ""));
        format!("{}-{name}", hash.get(..8).unwrap_or(hash))
    }
}

impl FromStr for StorePath {
    type Err = InvalidStorePath;

    fn from_str(text: &str) -> Result<Self, InvalidStorePath> {
        Self::new(text)
    }
}

impl AsRef<std::path::Path> for StorePath {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for StorePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StorePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for StorePath {
    fn schema_name() -> Cow<'static, str> {
        "StorePath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A path in a Nix store: /nix/store/<hash>-<name>.",
            "pattern": "^/.+/[0-9abcdfghijklmnpqrsvwxyz]{32}-[A-Za-z0-9+._?=-]+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "s5zyn9lmv8cd1ag8hsh3iqfd6vjxfk2q";

    #[test]
    fn accepts_store_paths_only() {
        for good in [format!("/nix/store/{HASH}-nixos-system-n1-24.05"), format!("/tmp/x/store/{HASH}-a")] {
            assert_eq!(StorePath::new(&good).unwrap().as_str(), good);
        }
        let bad = [
            String::new(),
            format!("{HASH}-a"),
            format!("nix/store/{HASH}-a"),
            format!("/nix/store/{HASH}"),
            format!("/nix/store/{HASH}-"),
            format!("/nix/../store/{HASH}-a"),
            format!("/nix/store/{HASH}-a/bin"),
            format!("/nix/sto re/{HASH}-a"),
            format!("/nix/store/{}e-a", &HASH[1..]),
            format!("/nix/store/{HASH}-a\n"),
            format!("/{}/{HASH}-a", "x".repeat(StorePath::MAX_LEN)),
        ];
        for bad in bad {
            assert!(StorePath::new(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn is_short_for_people() {
        assert_eq!(
            StorePath::new(&format!("/nix/store/{HASH}-nixos-system")).unwrap().short(),
            "s5zyn9lm-nixos-system"
        );
    }
}
