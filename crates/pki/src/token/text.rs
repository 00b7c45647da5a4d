//! A token's text, and what its parts are.

use data_encoding::BASE32_NOPAD_NOCASE as BASE32;

use super::{InvalidToken, Join, Kind, TokenId, User};

/// Bytes that tell a damaged token from an unknown one.
const CHECK_LEN: usize = 5;
/// More than any token has, white space in the middle included.
const MAX_LEN: usize = 256;

type Parts = ([u8; TokenId::LEN], [u8; 32], [u8; 32]);

/// Letters and the digits 2 to 7: there is no 0, 1, 8 or 9 to take for an o, l, b or g.
pub(super) fn encode(bytes: &[u8]) -> String {
    BASE32.encode(bytes).to_ascii_lowercase()
}

pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE32.decode(text.as_bytes()).ok()?.try_into().ok()
}

pub(super) fn write(word: &str, id: &[u8; TokenId::LEN], secret: &[u8; 32], authority: &[u8; 32]) -> String {
    let check = check(word, id, secret, authority);
    let parts = [encode(id), encode(secret), encode(authority), encode(&check)];
    format!("icefield-{word}.{}", parts.join("."))
}

pub(super) fn read(wanted: &'static str, text: &str) -> Result<Parts, InvalidToken> {
    let Some((found, rest)) = kind(text) else {
        return Err(InvalidToken::Foreign { wanted });
    };
    if found != wanted {
        return Err(InvalidToken::WrongKind { found, wanted });
    }
    parts(found, rest).ok_or(InvalidToken::Damaged)
}

fn kind(text: &str) -> Option<(&'static str, &str)> {
    let (start, rest) = text.split_once('.')?;
    let found = [Join::WORD, User::WORD].into_iter().find(|word| {
        start.split_once('-').is_some_and(|(icefield, kind)| {
            icefield.eq_ignore_ascii_case("icefield") && kind.eq_ignore_ascii_case(word)
        })
    })?;
    Some((found, rest))
}

fn parts(word: &str, rest: &str) -> Option<Parts> {
    if rest.len() > MAX_LEN {
        return None;
    }
    let mut parts = rest.split('.');
    let (id, secret, authority) = (decode(parts.next()?)?, decode(parts.next()?)?, decode(parts.next()?)?);
    let found: [u8; CHECK_LEN] = decode(parts.next()?)?;
    let whole = parts.next().is_none() && found == check(word, &id, &secret, &authority);
    whole.then_some((id, secret, authority))
}

fn check(word: &str, id: &[u8], secret: &[u8], authority: &[u8]) -> [u8; CHECK_LEN] {
    let mut hasher = blake3::Hasher::new_derive_key("icefield 2026 token check");
    for part in [word.as_bytes(), id, secret, authority] {
        hasher.update(part);
    }
    let mut check = [0; CHECK_LEN];
    hasher.finalize_xof().fill(&mut check);
    check
}
