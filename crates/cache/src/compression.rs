use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// How a file that holds a NAR is compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By Zstandard.
    Zstd,
    /// By xz, as Nix does if it is not told otherwise.
    Xz,
    /// In a way that this cache does not read: what is kept so can be served, but neither checked nor taken in.
    Other(String),
}

impl Compression {
    /// Whether files that are compressed so can be read here.
    pub(crate) const fn is_read(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// What a file's name ends with, behind `.nar`.
    pub fn extension(&self) -> &str {
        match self {
            Self::None => "",
            Self::Zstd => ".zst",
            Self::Xz => ".xz",
            Self::Other(name) => name,
        }
    }

    /// What the name of a NAR's file says of it; `None` if it is no name that this cache takes in.
    pub fn of_file(name: &str) -> Option<Self> {
        match name.split_once(".nar")?.1 {
            "" => Some(Self::None),
            ".zst" => Some(Self::Zstd),
            ".xz" => Some(Self::Xz),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Other(name) => name,
        })
    }
}

impl FromStr for Compression {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" | "" => Self::None,
            "zstd" => Self::Zstd,
            "xz" => Self::Xz,
            other => Self::Other(other.to_owned()),
        })
    }
}
