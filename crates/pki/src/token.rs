//! Tokens: what lets one in who has no certificate.

mod hash;
mod id;
mod text;

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};

pub use self::hash::TokenHash;
pub use self::id::TokenId;
use crate::{Fingerprint, PkiError};

/// Lets a machine join a cluster: `icefield-join.…`.
pub type JoinToken = Token<Join>;
/// Lets a person use a cluster: `icefield-user.…`.
pub type UserToken = Token<User>;

/// A secret that lets its bearer in, with the authority of the cluster that it is for.
///
/// As text it is `icefield-KIND.ID.SECRET.AUTHORITY.CHECK`, in letters and digits that are not taken for each other and in
/// either case. The last part tells a token that was cut short or mistyped from one that is merely not known. The state
/// keeps the id and the [`TokenHash`], which give nobody the secret. `Debug` and `Display` show the id alone.
pub struct Token<K> {
    id: TokenId,
    secret: [u8; 32],
    authority: Fingerprint,
    kind: PhantomData<fn() -> K>,
}

/// What a token is for: [`Join`] or [`User`].
pub trait Kind: private::Sealed {
    /// The word in the token's text.
    const WORD: &'static str;
    /// What hashes of its secrets are made for.
    const HASH_CONTEXT: &'static str;
}

/// Marks the token of a machine that joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {}
/// Marks the token of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Join {}
    impl Sealed for super::User {}
}

impl Kind for Join {
    const WORD: &'static str = "join";
    const HASH_CONTEXT: &'static str = "icefield 2026 join token secret";
}

impl Kind for User {
    const WORD: &'static str = "user";
    const HASH_CONTEXT: &'static str = "icefield 2026 user token secret";
}

/// Why a text is not a token of the kind that is wanted. No part of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It does not start as one.
    #[error("this is not a token: one starts with icefield-{wanted}.")]
    Foreign {
        /// The kind that is wanted.
        wanted: &'static str,
    },
    /// It is a token of another kind.
    #[error("this is a {found} token, and a {wanted} token is wanted here")]
    WrongKind {
        /// The kind that it is.
        found: &'static str,
        /// The kind that is wanted.
        wanted: &'static str,
    },
    /// Something of it is missing or wrong.
    #[error("the token is cut short or mistyped; copy it again, as a whole")]
    Damaged,
}

impl<K: Kind> Token<K> {
    /// A new token for the cluster of this authority, from the system's random numbers.
    ///
    /// # Errors
    /// [`PkiError::NoRandomness`].
    pub fn generate(authority: Fingerprint) -> Result<Self, PkiError> {
        let mut id = [0; TokenId::LEN];
        let mut secret = [0; 32];
        let random = SystemRandom::new();
        random.fill(&mut id).and_then(|()| random.fill(&mut secret)).map_err(|_| PkiError::NoRandomness)?;
        Ok(Self::new(TokenId::from_bytes(id), secret, authority))
    }

    fn new(id: TokenId, secret: [u8; 32], authority: Fingerprint) -> Self {
        Self { id, secret, authority, kind: PhantomData }
    }

    /// Under what the state knows it. It is no secret.
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// The authority of the cluster that it is for.
    pub fn authority(&self) -> Fingerprint {
        self.authority
    }

    /// What the state keeps of its secret. Tokens of another id or kind never have the same.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(K::HASH_CONTEXT, self.id, &self.secret)
    }

    /// Whether the state's hash is that of this token, found in a time that says nothing of where they differ.
    pub fn verify(&self, hash: &TokenHash) -> bool {
        self.hash() == *hash
    }

    /// The whole token as text: a secret, to be shown once to whom it is for.
    pub fn reveal(&self) -> String {
        text::write(K::WORD, self.id.as_bytes(), &self.secret, self.authority.as_bytes())
    }
}

impl<K: Kind> FromStr for Token<K> {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let (id, secret, authority) = text::read(K::WORD, text.trim())?;
        Ok(Self::new(TokenId::from_bytes(id), secret, Fingerprint::from_bytes(authority)))
    }
}

impl<K> Clone for Token<K> {
    fn clone(&self) -> Self {
        Self { id: self.id, secret: self.secret, authority: self.authority, kind: PhantomData }
    }
}

impl<K: Kind> fmt::Display for Token<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "icefield-{}.{}.…", K::WORD, self.id)
    }
}

impl<K: Kind> fmt::Debug for Token<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join() -> JoinToken {
        Token::new(TokenId::from_bytes([1, 2, 3, 4, 5]), [7; 32], Fingerprint::from_bytes([9; 32]))
    }

    #[test]
    fn is_read_as_it_is_written_in_either_case_and_with_space_around() {
        let text = join().reveal();
        assert!(text.starts_with("icefield-join.aebagbaf."), "{text}");
        for text in [text.clone(), text.to_uppercase(), format!(" {text}\n")] {
            let read: JoinToken = text.parse().unwrap();
            assert_eq!((read.id(), read.authority(), read.hash()), (join().id(), join().authority(), join().hash()));
        }
    }

    #[test]
    fn says_which_kind_it_is() {
        let found = join().reveal().parse::<UserToken>().unwrap_err();
        assert_eq!(found.to_string(), "this is a join token, and a user token is wanted here");
        let foreign = "K10f3a::server:1234".parse::<UserToken>().unwrap_err();
        assert_eq!(foreign, InvalidToken::Foreign { wanted: "user" });
    }

    #[test]
    fn a_cut_token_is_damaged_and_not_unknown() {
        let text = join().reveal();
        for len in "icefield-join.".len()..text.len() {
            assert_eq!(text[..len].parse::<JoinToken>().unwrap_err(), InvalidToken::Damaged, "{len}");
        }
    }

    #[test]
    fn only_its_own_hash_verifies() {
        let hash = join().hash();
        assert!(join().verify(&hash));
        let secret = Token::<Join>::new(join().id(), [8; 32], join().authority());
        let id = Token::<Join>::new(TokenId::from_bytes([0; 5]), [7; 32], join().authority());
        let kind = Token::<User>::new(join().id(), [7; 32], join().authority());
        assert!(!secret.verify(&hash) && !id.verify(&hash) && !kind.verify(&hash));
    }

    #[test]
    fn two_are_never_the_same() {
        let authority = join().authority();
        let (one, two) = (JoinToken::generate(authority).unwrap(), JoinToken::generate(authority).unwrap());
        assert!(one.id() != two.id() && !one.verify(&two.hash()));
    }

    #[test]
    fn shows_its_secret_only_when_asked_to() {
        assert_eq!(format!("{0} {0:?}", join()), "icefield-join.aebagbaf.… icefield-join.aebagbaf.…");
    }

    proptest! {
        #[test]
        fn a_mistyped_token_is_damaged(at in 14usize..137, with in "[a-z0-9.A-Z-]") {
            let mut text = join().reveal();
            prop_assert_eq!(text.len(), 137);
            let same = text[at..=at].eq_ignore_ascii_case(&with);
            text.replace_range(at..=at, &with);
            let read = text.parse::<JoinToken>();
            prop_assert_eq!(read.err(), if same { None } else { Some(InvalidToken::Damaged) });
        }

        #[test]
        fn any_text_is_an_error(text in "(icefield-(join|user)\\.)?\\PC{0,200}") {
            prop_assert!(text.parse::<JoinToken>().is_err());
        }
    }
}
