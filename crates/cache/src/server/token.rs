use data_encoding::BASE64;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::hash::Hash;

/// The tokens of those who may upload; without any, nobody may.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Hash>);

impl Tokens {
    /// Reads a file's text: a token a line; lines that begin with `#` are left out.
    pub fn read(text: &str) -> Self {
        let tokens = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(tokens.map(|token| Hash::of(token.as_bytes())).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request carries one: as a bearer's token, or as the password that `netrc` gives for any user.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(text) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return false };
        let Some((scheme, rest)) = text.split_once(' ') else { return false };
        let token = if scheme.eq_ignore_ascii_case("bearer") {
            rest.trim().as_bytes().to_vec()
        } else if scheme.eq_ignore_ascii_case("basic") {
            let Ok(pair) = BASE64.decode(rest.trim().as_bytes()) else { return false };
            let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
            pair[colon + 1..].to_vec()
        } else {
            return false;
        };
        // Hashes are compared, so the time that it takes says nothing of the token.
        self.0.contains(&Hash::of(&token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_in_two_forms() {
        let tokens = Tokens::read("# of the builders\nsecret\n\n");
        let admits = |text: &str| {
            let headers = [(AUTHORIZATION, text.parse().unwrap())].into_iter().collect();
            tokens.admits(&headers)
        };
        assert!(admits("Bearer secret"));
        assert!(admits(&format!("Basic {}", BASE64.encode(b"anyone:secret"))));
        for wrong in ["Bearer secre", "Bearer", "Bearer # of the builders", "Basic secret", "Basic !", "Digest secret"]
        {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!Tokens::default().admits(&HeaderMap::new()));
    }
}
