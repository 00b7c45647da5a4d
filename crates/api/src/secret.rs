use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The value of a secret. Nothing shows it; on the wire it is in base64. Its memory is cleared when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// The most bytes that one may have.
    pub const LARGEST: usize = 32 << 10;

    /// The value itself.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, if it is such that a variable or a template can hold.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().filter(|text| !text.contains('\0'))
    }
}

impl From<Vec<u8>> for SecretValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64.encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // The library's own error would say where the value is wrong, and so something of it.
        let bytes =
            BASE64.decode(text.as_bytes()).map_err(|_| serde::de::Error::custom("the value is not in base64"))?;
        Ok(bytes.into())
    }
}

impl JsonSchema for SecretValue {
    fn schema_name() -> Cow<'static, str> {
        "SecretValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "contentEncoding": "base64",
            "description": "A secret's value in base64: at most 32768 bytes.",
        })
    }
}

/// Gives a secret a value: its first, or another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// Its name.
    pub name: Name,
    /// The namespace whose services may use it; without one, it is for services of no namespace.
    #[serde(default)]
    pub namespace: Option<Name>,
    /// The value.
    pub value: SecretValue,
}

/// What became of a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The number of the version that has this value. Numbers rise over all secrets.
    pub version: u64,
    /// Whether it is another value than before.
    pub changed: bool,
    /// The services that take it up now, each as its update policy says, and the jobs whose next run does.
    pub services: Vec<Name>,
    /// The jobs without a schedule that use it: another value is no reason to run them again, so they keep the one before until
    /// the next apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Name>,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretStatus {
    /// Its name.
    pub name: Name,
    /// Its namespace.
    pub namespace: Option<Name>,
    /// The number of its newest version.
    pub version: u64,
    /// When that was set, in milliseconds since 1970 (UTC).
    pub set: u64,
    /// Who set it.
    pub by: String,
    /// The services that use it.
    pub services: Vec<Name>,
}

/// All secrets, without their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretList {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The secrets, by namespace and name.
    pub secrets: Vec<SecretStatus>,
}

/// The secrets that a node's plan names, for its agent alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeSecrets {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The values by the numbers of their versions.
    pub values: BTreeMap<u64, SecretValue>,
}

/// Makes known what the cluster's key is sealed with for a server: its public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerKeyRequest {
    /// The X25519 public key, in base64.
    pub public: String,
}

/// Asks for the key that the secrets of a backup are opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupKeyRequest {
    /// An X25519 public key, in base64: the answer is sealed for who has its private key.
    pub public: String,
}

/// The key that secrets are opened with, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupKeyAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The key, sealed for the public key that was sent, in base64; absent if there are no secrets yet.
    pub sealed: Option<String>,
}

/// What became of a request that has nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_travels_and_is_not_shown() {
        let value = SecretValue::from(b"hunter2".to_vec());
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(text, "\"aHVudGVyMg==\"");
        assert_eq!(serde_json::from_str::<SecretValue>(&text).unwrap(), value);
        assert!(!format!("{value:?}").contains("hunter"));
        let error = serde_json::from_str::<SecretValue>("\"hunter2!\"").unwrap_err().to_string();
        assert!(!error.contains("hunter"), "{error}");
        assert_eq!((value.text(), SecretValue::from(vec![0xff]).text()), (Some("hunter2"), None));
    }
}
