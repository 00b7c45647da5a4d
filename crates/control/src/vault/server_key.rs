use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crypto_box::aead::OsRng;
use icefield_api::write_secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{VaultError, decode, encode};

/// What one server opens its copy of the cluster key with. It is in the server's folder and nowhere else.
#[derive(Clone)]
pub struct ServerKey(crypto_box::SecretKey);

/// What the cluster key is sealed with for one server.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(crypto_box::PublicKey);

/// The cluster key, sealed for one server (an anonymous box: X25519, XSalsa20-Poly1305), in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Granted(String);

impl ServerKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(crypto_box::SecretKey::generate(&mut OsRng))
    }

    /// The file of the key in a server's folder.
    pub fn path(data: &Path) -> PathBuf {
        data.join("secrets.key")
    }

    /// The key in a server's folder; made if there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn of(data: &Path) -> io::Result<Self> {
        let path = Self::path(data);
        match fs::read_to_string(&path) {
            Ok(text) => Self::from_text(&Zeroizing::new(text)).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{} holds no key: {error}", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate();
                write_secret(&path, key.to_text().as_bytes())?;
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key())
    }

    pub(super) fn open(&self, granted: &Granted) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.0.unseal(&decode(&granted.0)?).map(Zeroizing::new).map_err(|_| VaultError::Closed)
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", encode(&*Zeroizing::new(self.0.to_bytes()))))
    }

    fn from_text(text: &str) -> Result<Self, VaultError> {
        let bytes = decode(text.trim())?;
        crypto_box::SecretKey::from_slice(&bytes).map(Self).map_err(|_| VaultError::Damaged)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({:?})", self.public())
    }
}

impl PublicKey {
    pub(super) fn seal(&self, content: &[u8]) -> Result<Granted, VaultError> {
        let sealed = self.0.seal(&mut OsRng, content).map_err(|_| VaultError::NoRandomness)?;
        Ok(Granted(encode(&sealed)))
    }
}

impl Granted {
    /// As text, for the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the wire.
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        crypto_box::PublicKey::from_slice(&decode(text)?).map(Self).map_err(|_| VaultError::Damaged)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_stays_in_its_folder_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let key = ServerKey::of(home.path()).unwrap();
        assert_eq!(ServerKey::of(home.path()).unwrap().public(), key.public());
        let mode = fs::metadata(ServerKey::path(home.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(ServerKey::path(home.path()), "junk").unwrap();
        assert!(ServerKey::of(home.path()).unwrap_err().to_string().contains("holds no key"));
    }

    #[test]
    fn a_public_key_travels() {
        let public = ServerKey::generate().public();
        assert_eq!(serde_json::from_str::<PublicKey>(&serde_json::to_string(&public).unwrap()).unwrap(), public);
        for junk in ["\"\"", "\"AAAA\"", "\"?\""] {
            assert!(serde_json::from_str::<PublicKey>(junk).is_err());
        }
    }
}
