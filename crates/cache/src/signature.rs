use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// A signature of a path's contents, written `NAME:BASE64`. The name says which key to check it with and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    bytes: [u8; 64],
}

/// The key that signatures are checked with, written `NAME:BASE64` as in Nix's `trusted-public-keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    bytes: [u8; 32],
}

/// The key that signs, written as `nix key generate-secret` writes it.
pub struct SecretKey {
    name: String,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// A key or a signature cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There is no name, or a strange one.
    #[error("a {0} is written NAME:BASE64, and the name is without spaces")]
    Name(&'static str),
    /// What follows the name is not as many bytes as it must be.
    #[error("what follows the name of the {what} {name:?} is not {bytes} bytes in base 64")]
    Bytes {
        /// What should be read.
        what: &'static str,
        /// Its name.
        name: String,
        /// How many bytes there must be.
        bytes: usize,
    },
    /// The two halves of a secret key do not belong together.
    #[error("the secret key {0:?} is damaged: its public half does not belong to it")]
    Halves(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a key")]
    Random,
}

fn read<const N: usize>(what: &'static str, text: &str) -> Result<(String, [u8; N]), InvalidKey> {
    let (name, base64) = text.trim().split_once(':').ok_or(InvalidKey::Name(what))?;
    check_name(what, name)?;
    let bytes = BASE64.decode(base64.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| InvalidKey::Bytes { what, name: name.to_owned(), bytes: N })?;
    Ok((name.to_owned(), bytes))
}

fn check_name(what: &'static str, name: &str) -> Result<(), InvalidKey> {
    let fits =
        (1..=255).contains(&name.len()) && name.bytes().all(|letter| letter.is_ascii_graphic() && letter != b':');
    if fits { Ok(()) } else { Err(InvalidKey::Name(what)) }
}

impl Signature {
    /// The name of the key that it claims to be of.
    pub fn key(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, BASE64.encode(&self.bytes))
    }
}

impl FromStr for Signature {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (name, bytes) = read("signature", text)?;
        Ok(Self { name, bytes })
    }
}

impl PublicKey {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `signature` is of this key and of `message`.
    pub fn verifies(&self, message: &str, signature: &Signature) -> bool {
        self.name == signature.name
            && UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message.as_bytes(), &signature.bytes).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, BASE64.encode(&self.bytes))
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (name, bytes) = read("public key", text)?;
        Ok(Self { name, bytes })
    }
}

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// The name has spaces or colons, or the system gives no random bytes.
    pub fn generate(name: &str) -> Result<Self, InvalidKey> {
        check_name("secret key", name)?;
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| InvalidKey::Random)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| InvalidKey::Random)?;
        Ok(Self { name: name.to_owned(), seed, pair })
    }

    /// The key that checks what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey { name: self.name.clone(), bytes: self.public_bytes() }
    }

    /// The text to keep; whoever has it can sign.
    pub fn reveal(&self) -> String {
        format!("{}:{}", self.name, BASE64.encode(&[self.seed, self.public_bytes()].concat()))
    }

    /// Signs `message`.
    pub fn sign(&self, message: &str) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message.as_bytes()).as_ref());
        Signature { name: self.name.clone(), bytes }
    }

    fn public_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        bytes
    }
}

impl FromStr for SecretKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (name, bytes) = read::<64>("secret key", text)?;
        let (mut seed, mut public) = ([0; 32], [0; 32]);
        seed.copy_from_slice(&bytes[..32]);
        public.copy_from_slice(&bytes[32..]);
        let pair =
            Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map_err(|_| InvalidKey::Halves(name.clone()))?;
        Ok(Self { name, seed, pair })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_what_its_public_half_verifies() {
        let secret = SecretKey::generate("shop-1").unwrap();
        let again: SecretKey = secret.reveal().parse().unwrap();
        assert_eq!(again.public(), secret.public());
        let public: PublicKey = secret.public().to_string().parse().unwrap();
        let signature: Signature = again.sign("one").to_string().parse().unwrap();
        assert!(public.verifies("one", &signature));
        assert!(!public.verifies("two", &signature));
        assert!(!SecretKey::generate("shop-1").unwrap().public().verifies("one", &signature));
        let other_name = PublicKey { name: "shop-2".into(), ..public };
        assert!(!other_name.verifies("one", &signature));
    }

    #[test]
    fn damaged_keys_are_refused() {
        let text = SecretKey::generate("k").unwrap().reveal();
        for text in ["", "k", "k:", ":AAAA", "k k:AAAA", &text[..text.len() - 4], &text.replace("k:", "k:A")] {
            assert!(text.parse::<SecretKey>().is_err(), "{text}");
        }
        let other = SecretKey::generate("k").unwrap().reveal();
        let halves = format!("{}{}", &text[..46], &other[46..]);
        assert!(halves.parse::<SecretKey>().is_err());
    }
}
