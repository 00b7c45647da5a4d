use std::fmt;
use std::str::FromStr;

use icefield_spec::nearest;

/// The form in which node plans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A flake with one NixOS system a node.
    Nix,
    /// Plain systemd units, for any Linux.
    Systemd,
}

/// Why a text is not a [`Target`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTarget(String);

impl Target {
    /// Every target, by name.
    pub const ALL: [Self; 2] = [Self::Nix, Self::Systemd];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nix => "nix",
            Self::Systemd => "systemd",
        }
    }

    /// What it is, in one line.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Nix => "a flake with one NixOS system for each node",
            Self::Systemd => "plain systemd units for each node, for any Linux",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        let found = Self::ALL.into_iter().find(|target| target.name() == text);
        found.ok_or_else(|| UnknownTarget(text.chars().take(40).collect()))
    }
}

impl fmt::Display for UnknownTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Target::ALL.map(Target::name);
        write!(f, "there is no target {:?}; ", self.0)?;
        match nearest(&self.0, names) {
            Some(near) => write!(f, "did you mean {near:?}?"),
            None => write!(f, "there are: {}", names.join(", ")),
        }
    }
}

impl std::error::Error for UnknownTarget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_reads_back_from_its_name() {
        for target in Target::ALL {
            assert_eq!(target.name().parse(), Ok(target));
        }
    }

    #[test]
    fn a_slip_of_the_hand_is_named() {
        let message = |text: &str| text.parse::<Target>().unwrap_err().to_string();
        assert_eq!(message("systmed"), "there is no target \"systmed\"; did you mean \"systemd\"?");
        assert_eq!(message("helm"), "there is no target \"helm\"; there are: nix, systemd");
    }
}
