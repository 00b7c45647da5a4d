use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What Nix builds a program from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NixSource {
    /// An attribute path of nixpkgs (`"redis"`), or a flake reference (`"github:o/r#name"`, `".#web"`).
    Reference(String),
    /// A file in Nix.
    File(NixFile),
    /// An expression.
    Text(NixText),
}

/// A file in Nix beside the declaration. What it says, and what it imports, is covered by what was built from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NixFile {
    /// Its path, relative to the folder of the declaration.
    pub file: String,
    /// The attribute of what it evaluates to, with dots; the whole if it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attribute: String,
}

/// An expression in Nix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NixText {
    /// What to call it.
    pub name: String,
    /// The expression.
    pub text: String,
    /// The attribute of what it evaluates to, with dots; the whole if it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attribute: String,
}

/// What a service was built to, by the system that it was built for (`x86_64-linux`). `icefield build` fills it in.
pub type Closures = BTreeMap<String, StorePath>;

/// A path of a Nix store: `/nix/store/<hash>-<name>`. The folder of the store may be another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct StorePath(String);

/// A text that is no path of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a path of a Nix store, like /nix/store/<32 characters>-<name>")]
pub struct InvalidStorePath(String);

impl StorePath {
    /// How many characters the hash of a path has.
    const HASH: usize = 32;
    /// The most characters that the part behind the hash may have.
    const MAX_NAME: usize = 211;

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last part: `<hash>-<name>`.
    pub fn base_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// What it is called, without the hash.
    pub fn name(&self) -> &str {
        self.base_name().get(Self::HASH + 1..).unwrap_or_default()
    }
}

impl FromStr for StorePath {
    type Err = InvalidStorePath;

    fn from_str(text: &str) -> Result<Self, InvalidStorePath> {
        let is_hash = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() && !matches!(b, b'e' | b'o' | b'u' | b't');
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_' | b'?' | b'=');
        let good = text.starts_with('/')
            && !text.bytes().any(|b| b.is_ascii_control())
            && !text.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."))
            && text.rsplit_once('/').is_some_and(|(folder, base)| {
                let base = base.as_bytes();
                !folder.is_empty()
                    && base.len() > Self::HASH + 1
                    && base.len() <= Self::HASH + 1 + Self::MAX_NAME
                    && base[..Self::HASH].iter().all(|b| is_hash(*b))
                    && base[Self::HASH] == b'-'
                    && base[Self::HASH + 1..].iter().all(|b| is_name(*b))
            });
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidStorePath(text.to_owned())) }
    }
}

impl TryFrom<String> for StorePath {
    type Error = InvalidStorePath;

    fn try_from(text: String) -> Result<Self, InvalidStorePath> {
        text.parse()
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_paths_are_told_from_other_paths() {
        let path: StorePath = "/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-icefield-web".parse().unwrap();
        assert_eq!(path.name(), "icefield-web");
        assert!("/elsewhere/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-a".parse::<StorePath>().is_ok());
        for text in [
            "",
            "/nix/store/",
            "d8saylrbwdk1qrhr29965vdb9ahx5y0d-web",
            "/d8saylrbwdk1qrhr29965vdb9ahx5y0d-web",
            "/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d",
            "/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-",
            "/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0e-web",
            "/nix/store/../d8saylrbwdk1qrhr29965vdb9ahx5y0d-web",
            "/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-web/bin",
            "/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-we\nb",
        ] {
            assert!(text.parse::<StorePath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_source_is_read_by_its_form() {
        let read = |text: &str| serde_json::from_str::<NixSource>(text);
        assert_eq!(read("\"redis\"").unwrap(), NixSource::Reference("redis".into()));
        let file = read(r#"{"file": "web.nix", "attribute": "web"}"#).unwrap();
        assert_eq!(file, NixSource::File(NixFile { file: "web.nix".into(), attribute: "web".into() }));
        assert!(matches!(read(r#"{"name": "web", "text": "1"}"#).unwrap(), NixSource::Text(_)));
        assert!(read(r#"{"file": "web.nix", "atribute": "web"}"#).is_err());
    }
}
