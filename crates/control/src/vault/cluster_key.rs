use std::fmt;

use icefield_api::SecretValue;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Granted, PublicKey, ServerKey, VaultError, decode, encode, random};

/// Tells one cluster key from another: random, and not part of the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

/// The key that the data keys of all secrets are wrapped with.
#[derive(Clone)]
pub struct ClusterKey {
    id: KeyId,
    bytes: Zeroizing<[u8; ClusterKey::LENGTH]>,
}

/// The value of one version of a secret, sealed: ChaCha20-Poly1305, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The cluster key that its data key is wrapped with.
    pub key: KeyId,
    /// The data key: a nonce, then the wrapped key.
    pub data_key: String,
    /// The value.
    pub value: String,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey({})", self.id)
    }
}

impl ClusterKey {
    const LENGTH: usize = 32;

    /// A new key.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn generate() -> Result<Self, VaultError> {
        let id = random::<8>()?;
        let id = KeyId(id.iter().map(|byte| format!("{byte:02x}")).collect());
        Ok(Self { id, bytes: random()? })
    }

    /// Its id.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key as `icefield restore` takes it; never shown or sent but sealed.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}.{}", self.id, encode(&*self.bytes)))
    }

    pub(super) fn from_text(text: &str) -> Result<Self, VaultError> {
        let (id, bytes) = text.split_once('.').ok_or(VaultError::Damaged)?;
        let bytes: [u8; Self::LENGTH] = decode(bytes)?.as_slice().try_into().map_err(|_| VaultError::Damaged)?;
        Ok(Self { id: KeyId(id.to_owned()), bytes: Zeroizing::new(bytes) })
    }

    /// The key for the one who has the private key of `public`.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn grant(&self, public: &PublicKey) -> Result<Granted, VaultError> {
        public.seal(self.to_text().as_bytes())
    }

    /// The key that was granted to `server`.
    ///
    /// # Errors
    /// It was granted to another one, or is damaged.
    pub fn granted(server: &ServerKey, granted: &Granted) -> Result<Self, VaultError> {
        let text = server.open(granted)?;
        Self::from_text(std::str::from_utf8(&text).map_err(|_| VaultError::Damaged)?)
    }

    /// Seals a value. `of` says what it is of: it opens as nothing else.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn seal(&self, of: &str, value: &SecretValue) -> Result<Sealed, VaultError> {
        let data_key = random::<{ Self::LENGTH }>()?;
        // Of a key that seals once, the nonce does not matter.
        let sealed = seal(&*data_key, [0; NONCE_LEN], of, value.reveal())?;
        Ok(Sealed { key: self.id.clone(), data_key: self.wrap(of, &*data_key)?, value: encode(&sealed) })
    }

    /// Opens a value that was sealed as one of `of`.
    ///
    /// # Errors
    /// It was sealed with another key or as something else, or is damaged.
    pub fn open(&self, of: &str, sealed: &Sealed) -> Result<SecretValue, VaultError> {
        let data_key = self.unwrap(of, sealed)?;
        let value = decode(&sealed.value)?;
        Ok(open(&data_key, [0; NONCE_LEN], of, value.to_vec())?.to_vec().into())
    }

    /// The same value with its data key wrapped with `next` instead.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub fn rewrap(&self, of: &str, sealed: &Sealed, next: &Self) -> Result<Sealed, VaultError> {
        let data_key = self.unwrap(of, sealed)?;
        Ok(Sealed { key: next.id.clone(), data_key: next.wrap(of, &data_key)?, value: sealed.value.clone() })
    }

    /// What makes a hash of something secret be of no use to whoever does not have the key.
    pub(crate) fn salt(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key("icefield 2026 fingerprints of requests with secrets", &*self.bytes))
    }

    fn wrap(&self, of: &str, data_key: &[u8]) -> Result<String, VaultError> {
        let nonce = *random::<NONCE_LEN>()?;
        let wrapped = seal(&*self.bytes, nonce, of, data_key)?;
        Ok(encode(&[&nonce[..], &wrapped].concat()))
    }

    fn unwrap(&self, of: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let whole = decode(&sealed.data_key)?;
        let (nonce, wrapped) = whole.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Damaged)?;
        open(&*self.bytes, *nonce, of, wrapped.to_vec())
    }
}

fn seal(key: &[u8], nonce: [u8; NONCE_LEN], of: &str, content: &[u8]) -> Result<Vec<u8>, VaultError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| VaultError::Damaged)?;
    // Encrypted in place, so that no copy of it stays behind.
    let mut sealed = Vec::with_capacity(content.len() + CHACHA20_POLY1305.tag_len());
    sealed.extend_from_slice(content);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let done = LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::from(of.as_bytes()), &mut sealed);
    done.map(|()| sealed).map_err(|_| VaultError::Damaged)
}

fn open(key: &[u8], nonce: [u8; NONCE_LEN], of: &str, sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| VaultError::Damaged)?;
    let mut content = Zeroizing::new(sealed);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::from(of.as_bytes()), &mut content);
    let length = opened.map_err(|_| VaultError::Closed)?.len();
    content.truncate(length);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> SecretValue {
        text.as_bytes().to_vec().into()
    }

    #[test]
    fn a_value_opens_with_its_key_and_as_what_it_is_alone() {
        let (key, other) = (ClusterKey::generate().unwrap(), ClusterKey::generate().unwrap());
        let sealed = key.seal("shop/db", &value("hunter2")).unwrap();
        assert_eq!(key.open("shop/db", &sealed).unwrap(), value("hunter2"));
        assert_eq!(other.open("shop/db", &sealed), Err(VaultError::Closed));
        assert_eq!(key.open("bank/db", &sealed), Err(VaultError::Closed));
        assert_ne!(key.seal("shop/db", &value("hunter2")).unwrap().value, sealed.value, "the same value differs");
        let written = serde_json::to_string(&sealed).unwrap();
        assert!(!written.contains("hunter2") && !written.contains(&encode(b"hunter2")));
    }

    #[test]
    fn what_was_changed_is_refused_and_junk_is_no_panic() {
        let key = ClusterKey::generate().unwrap();
        let sealed = key.seal("db", &value("hunter2")).unwrap();
        for at in 0..sealed.value.len() {
            let mut changed = sealed.clone().value.into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = Sealed { value: String::from_utf8(changed).unwrap(), ..sealed.clone() };
            assert!(key.open("db", &changed).is_err(), "{at}");
        }
        for junk in ["", "AAAA", "not base64", "AAAAAAAAAAAAAAAAAAAA"] {
            assert!(key.open("db", &Sealed { data_key: junk.into(), ..sealed.clone() }).is_err());
            assert!(key.open("db", &Sealed { value: junk.into(), ..sealed.clone() }).is_err());
            assert!(ClusterKey::from_text(junk).is_err());
        }
    }

    #[test]
    fn another_cluster_key_takes_over() {
        let (key, next) = (ClusterKey::generate().unwrap(), ClusterKey::generate().unwrap());
        let sealed = key.seal("db", &value("hunter2")).unwrap();
        let rewrapped = key.rewrap("db", &sealed, &next).unwrap();
        assert_eq!(next.open("db", &rewrapped).unwrap(), value("hunter2"));
        assert_eq!(key.open("db", &rewrapped), Err(VaultError::Closed));
    }

    #[test]
    fn the_key_is_granted_to_one_server() {
        let (one, other) = (ServerKey::generate(), ServerKey::generate());
        let key = ClusterKey::generate().unwrap();
        let granted = key.grant(&one.public()).unwrap();
        let again = ClusterKey::granted(&one, &granted).unwrap();
        let sealed = key.seal("db", &value("hunter2")).unwrap();
        assert_eq!((again.id(), again.open("db", &sealed).unwrap()), (key.id(), value("hunter2")));
        assert!(ClusterKey::granted(&other, &granted).is_err());
        assert!(!format!("{key:?} {granted:?} {one:?}").contains(&encode(&*key.bytes)));
    }
}
