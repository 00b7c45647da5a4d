use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

/// What a request that changes something is known by, over all its repetitions: however often it arrives, it is carried
/// out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The header that carries it.
    pub const HEADER: &str = "idempotency-key";
    /// The longest key, in bytes.
    pub const LONGEST: usize = 128;

    /// A key that no other request has.
    pub fn fresh() -> Self {
        // Each is seeded by the operating system, and differs from all others of this process.
        let half = || RandomState::new().hash_one(0);
        Self(format!("{:016x}{:016x}", half(), half()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IdempotencyKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "an idempotency key is 1 to {} visible ASCII characters without spaces; a random UUID is a good one",
            Self::LONGEST
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_fresh_keys_are_the_same() {
        let keys: BTreeSet<String> = (0..10_000).map(|_| IdempotencyKey::fresh().to_string()).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().all(|key| key.parse::<IdempotencyKey>().is_ok()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "a b", "tab\t", "ä", &"x".repeat(129)] {
            assert!(text.parse::<IdempotencyKey>().is_err(), "{text:?}");
        }
        assert!("x".repeat(128).parse::<IdempotencyKey>().is_ok());
    }
}
