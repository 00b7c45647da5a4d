use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StorePath;

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

impl StorePath {
    /// Its last part: `<hash>-<name>`.
    pub fn base_name(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
