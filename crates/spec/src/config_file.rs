use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Name, template};

/// A file that each replica of a service gets, made on its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// What is in it.
    pub content: FileContent,
    /// Who may read it.
    pub mode: FileMode,
    /// What is done with a running replica when the content changes; nothing if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
}

/// What is in a [`ConfigFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum FileContent {
    /// This text.
    Text {
        /// The text.
        text: String,
    },
    /// What the template gives for the replica; see [`template`].
    Template {
        /// The template.
        template: String,
    },
    /// The bytes of a secret.
    Secret {
        /// Its name.
        secret: Name,
    },
}

/// What is done with a running replica when one of its files changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Reload {
    /// Its program gets a signal.
    Signal {
        /// The signal.
        signal: ReloadSignal,
    },
    /// It is stopped and started anew.
    Restart,
}

/// A signal by which programs are told to read their files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReloadSignal {
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGWINCH.
    Winch,
}

impl ReloadSignal {
    /// Every one with its word.
    pub const ALL: [(&'static str, Self); 4] =
        [("HUP", Self::Hup), ("USR1", Self::Usr1), ("USR2", Self::Usr2), ("WINCH", Self::Winch)];
}

/// Who may read, write and execute a file: permission bits, written in octal (`"0644"`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FileMode(u32);

/// Why a text is not a [`FileMode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a file's mode; write it in octal, like \"0644\", with at most 0777")]
pub struct InvalidMode(String);

impl FileMode {
    /// What a file has if nothing is said.
    pub const DEFAULT: Self = Self(0o644);
    /// What a file with a secret has if nothing is said.
    pub const SECRET: Self = Self(0o400);

    /// The permission bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        let fail = || InvalidMode(text.chars().take(20).collect());
        let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let bits = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
        bits.filter(|bits| *bits <= 0o777).map(Self).ok_or_else(fail)
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for FileMode {
    fn schema_name() -> Cow<'static, str> {
        "FileMode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Permission bits in octal: \"0644\".",
            "pattern": "^0?[0-7]{3}$",
        })
    }
}

impl ConfigFile {
    /// The secrets whose values are in it. A template with mistakes names none; validation reports it.
    pub fn secrets(&self) -> BTreeSet<Name> {
        match &self.content {
            FileContent::Text { .. } => BTreeSet::new(),
            FileContent::Secret { secret } => BTreeSet::from([secret.clone()]),
            FileContent::Template { template } => template::references(template)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|reference| match reference {
                    template::Reference::Secret(secret) => Some(secret),
                    _ => None,
                })
                .collect(),
        }
    }

    /// The services whose endpoints are in it.
    pub fn peers(&self) -> BTreeSet<Name> {
        let FileContent::Template { template } = &self.content else { return BTreeSet::new() };
        let references = template::references(template).unwrap_or_default().into_iter();
        let services = references.filter_map(|reference| match reference {
            template::Reference::Endpoints { service, .. } => Some(service),
            _ => None,
        });
        services.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal_and_nothing_else() {
        for (text, bits) in [("0644", 0o644), ("600", 0o600), ("0000", 0), ("0777", 0o777)] {
            assert_eq!(text.parse::<FileMode>().unwrap().bits(), bits);
        }
        assert_eq!(FileMode::DEFAULT.to_string(), "0644");
        for bad in ["", "64", "0888", "1777", "7777", "+644", "00644", "rw-r--r--"] {
            assert!(bad.parse::<FileMode>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn says_which_secrets_and_services_it_needs() {
        let template = "{{ secrets.db_password }} {% for peer in endpoints.api.http %}{{ peer }}{% endfor %}";
        let content = FileContent::Template { template: template.into() };
        let file = ConfigFile { content, mode: FileMode::DEFAULT, reload: None };
        let name = |text: &str| Name::new(text).unwrap();
        assert_eq!(file.secrets(), BTreeSet::from([name("db-password")]));
        assert_eq!(file.peers(), BTreeSet::from([name("api")]));
    }
}
