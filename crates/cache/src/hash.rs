use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ring::digest::{Context, SHA256};

use crate::nix32;

/// A SHA-256 hash, written `sha256:` and Nix's base 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

/// A text is no SHA-256 hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SHA-256 hash; one is written sha256:BASE32, sha256:HEX or sha256-BASE64")]
pub struct InvalidHash(pub String);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// As Nix writes it in a file's name: 52 letters of its base 32.
    pub fn base32(&self) -> String {
        nix32::encode(&self.0)
    }

    /// Reads what [`Hash::base32`] writes.
    pub fn from_base32(text: &str) -> Option<Self> {
        nix32::decode(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.base32())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    /// Reads each form in which Nix writes one: base 32, hexadecimal and base 64 behind `sha256:`, and `sha256-` with base 64.
    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let invalid = || InvalidHash(text.chars().take(100).collect());
        let bytes = match text.strip_prefix("sha256:") {
            Some(digits) => match digits.len() {
                52 => return Self::from_base32(digits).ok_or_else(invalid),
                64 => HEXLOWER_PERMISSIVE.decode(digits.as_bytes()),
                _ => BASE64.decode(digits.as_bytes()),
            },
            None => BASE64.decode(text.strip_prefix("sha256-").ok_or_else(invalid)?.as_bytes()),
        };
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(invalid)
    }
}

/// Makes a [`Hash`] of what comes piece by piece.
#[derive(Clone)]
pub(crate) struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Hash {
        let digest = self.0.finish();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Hash(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_hash_is_read() {
        let hash = Hash::of(b"");
        for text in [
            "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ] {
            assert_eq!(text.parse(), Ok(hash), "{text}");
        }
        for text in [
            "",
            "sha256:",
            "sha256-",
            "md5:0",
            "sha256:0mdq",
            "sha1:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        ] {
            assert!(text.parse::<Hash>().is_err(), "{text}");
        }
    }
}
