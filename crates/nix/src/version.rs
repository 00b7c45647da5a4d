use std::fmt;

/// A version of Nix, as `nix --version` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The first that this crate can work with.
    pub(crate) const LEAST: Self = Self { major: 2, minor: 8 };

    /// Reads `nix (Nix) 2.26.3`, `nix (Lix, like Nix) 2.91.1`, `nix (Determinate Nix 3.0.0) 2.28.1`.
    pub(crate) fn parse(said: &str) -> Option<Self> {
        let last = said.lines().next()?.strip_prefix("nix ")?.split_whitespace().next_back()?;
        let mut parts = last.split('.');
        let number = |part: &str| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        Some(Self { major: number(parts.next()?)?, minor: number(parts.next()?)? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_nix_say_their_version() {
        let version = |said: &str| Version::parse(said).map(|version| version.to_string());
        assert_eq!(version("nix (Nix) 2.8.0\n").as_deref(), Some("2.8"));
        assert_eq!(version("nix (Nix) 2.31.0pre20250701_abc").as_deref(), Some("2.31"));
        assert_eq!(version("nix (Lix, like Nix) 2.91.1").as_deref(), Some("2.91"));
        assert_eq!(version("nix (Determinate Nix 3.0.0) 2.28.1").as_deref(), Some("2.28"));
        assert_eq!(version("nix (Nix) 3.0pre").as_deref(), Some("3.0"));
        assert_eq!(version(""), None);
        assert_eq!(version("command not found"), None);
        assert!(Version::parse("nix (Nix) 2.3.16").unwrap() < Version::LEAST);
        assert!(Version::parse("nix (Nix) 2.26.3").unwrap() > Version::LEAST);
    }
}
