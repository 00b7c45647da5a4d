use std::fmt;
use std::str::FromStr;

use crate::store_path::{InvalidStorePath, StoreDir};

/// What a cache says of itself: the text of `nix-cache-info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// The folder that its paths are in.
    pub store_dir: StoreDir,
    /// Whether clients may ask for many paths at once.
    pub want_mass_query: bool,
    /// Which cache clients ask first: the one with the smaller number; Nix's public cache has 40.
    pub priority: u32,
}

impl Default for CacheInfo {
    /// Before the public cache, since this one is near.
    fn default() -> Self {
        Self { store_dir: StoreDir::default(), want_mass_query: true, priority: 30 }
    }
}

impl fmt::Display for CacheInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store_dir, want_mass_query, priority } = self;
        let want = u8::from(*want_mass_query);
        write!(f, "StoreDir: {store_dir}\nWantMassQuery: {want}\nPriority: {priority}\n")
    }
}

impl FromStr for CacheInfo {
    type Err = InvalidStorePath;

    fn from_str(text: &str) -> Result<Self, InvalidStorePath> {
        let field = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()));
        Ok(Self {
            store_dir: field("StoreDir").map_or(Ok(StoreDir::default()), str::parse)?,
            want_mass_query: field("WantMassQuery") == Some("1"),
            priority: field("Priority").and_then(|text| text.parse().ok()).unwrap_or(50),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let info = CacheInfo { store_dir: "/tmp/store".parse().unwrap(), ..CacheInfo::default() };
        assert_eq!(info.to_string().parse(), Ok(info));
        // As Nix writes it.
        let plain: CacheInfo = "StoreDir: /nix/store\n".parse().unwrap();
        assert_eq!((plain.want_mass_query, plain.priority), (false, 50));
    }
}
