use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::nix32;

/// The folder that store paths are in, as programs know it: `/nix/store`. It need not be where they lie on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDir(Arc<str>);

/// The 32 letters that a store path begins with and is asked for by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathHash([u8; 32]);

/// A store path without its folder: `q21fflpvcd8pl7zsyj2437gljcpv3g8m-hello`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorePath(String);

/// A text is no store path, or no store folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no store path; one is like /nix/store/q21fflpvcd8pl7zsyj2437gljcpv3g8m-hello")]
pub struct InvalidStorePath(pub String);

fn invalid(text: &str) -> InvalidStorePath {
    InvalidStorePath(text.chars().take(300).collect())
}

/// The longest name that Nix gives.
const LONGEST_NAME: usize = 211;

impl Default for StoreDir {
    fn default() -> Self {
        Self("/nix/store".into())
    }
}

impl StoreDir {
    /// A path in this folder, or the path below one: `/nix/store/HASH-hello/bin/hello` is of `HASH-hello`.
    ///
    /// # Errors
    /// It is not in this folder, or no store path.
    pub fn path(&self, text: &str) -> Result<StorePath, InvalidStorePath> {
        let below = text.strip_prefix(&*self.0).and_then(|rest| rest.strip_prefix('/'));
        below.and_then(|below| below.split('/').next()).ok_or_else(|| invalid(text))?.parse()
    }

    /// The whole path.
    pub fn join(&self, path: &StorePath) -> String {
        format!("{}/{path}", self.0)
    }
}

impl fmt::Display for StoreDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StoreDir {
    type Err = InvalidStorePath;

    fn from_str(text: &str) -> Result<Self, InvalidStorePath> {
        let whole = text.starts_with('/') && text.len() > 1 && !text.ends_with('/') && !text.contains(['\n', '\0']);
        whole.then(|| Self(text.into())).ok_or_else(|| invalid(text))
    }
}

impl StorePath {
    /// What it is asked for by.
    pub fn hash(&self) -> PathHash {
        let mut letters = [0; 32];
        letters.copy_from_slice(&self.0.as_bytes()[..32]);
        PathHash(letters)
    }

    /// Its text, without the folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StorePath {
    type Err = InvalidStorePath;

    /// Reads a path without its folder.
    fn from_str(text: &str) -> Result<Self, InvalidStorePath> {
        let (hash, name) = text.split_at_checked(32).ok_or_else(|| invalid(text))?;
        hash.parse::<PathHash>()?;
        let name = name.strip_prefix('-').ok_or_else(|| invalid(text))?;
        let fits = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"+-._?=".contains(&letter));
        if fits { Ok(Self(text.to_owned())) } else { Err(invalid(text)) }
    }
}

impl PathHash {
    /// Its text.
    pub fn as_str(&self) -> &str {
        // Only letters of Nix's alphabet get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for PathHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PathHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PathHash {
    type Err = InvalidStorePath;

    fn from_str(text: &str) -> Result<Self, InvalidStorePath> {
        let letters: [u8; 32] = text.as_bytes().try_into().map_err(|_| invalid(text))?;
        if letters.iter().all(|letter| nix32::is_letter(*letter)) { Ok(Self(letters)) } else { Err(invalid(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "q21fflpvcd8pl7zsyj2437gljcpv3g8m-hello";

    #[test]
    fn a_path_is_known_by_its_first_letters() {
        let dir = StoreDir::default();
        let path = dir.path(&format!("/nix/store/{HELLO}/bin/hello")).unwrap();
        assert_eq!(path.as_str(), HELLO);
        assert_eq!(path.hash().as_str(), &HELLO[..32]);
        assert_eq!(dir.join(&path), format!("/nix/store/{HELLO}"));
    }

    #[test]
    fn what_is_no_store_path_is_refused() {
        let dir = StoreDir::default();
        for text in [
            "",
            "/nix/store",
            "/nix/store/",
            "/nix/store/hello",
            "/nix/storeq21fflpvcd8pl7zsyj2437gljcpv3g8m-x",
            "/etc/passwd",
        ] {
            assert!(dir.path(text).is_err(), "{text}");
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        for name in ["", "-", "-a b", "-../x", "-a\n", "-é", &format!("-{long}")] {
            assert!(format!("q21fflpvcd8pl7zsyj2437gljcpv3g8m{name}").parse::<StorePath>().is_err(), "{name}");
        }
        assert!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-x".parse::<StorePath>().is_err());
        assert!("ééééééééééééééééé-x".parse::<StorePath>().is_err());
    }
}
