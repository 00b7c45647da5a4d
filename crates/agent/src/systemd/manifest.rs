use std::collections::BTreeMap;

use serde::Deserialize;

/// What `nixos(…)` is built to: all that its modules add to a system, by name. See `icefield.nix` of `crates/nix`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) units: BTreeMap<String, ManifestUnit>,
    /// Files of `/etc`: where each is in the store.
    #[serde(default)]
    pub(super) etc: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) users: BTreeMap<String, ManifestUser>,
    #[serde(default)]
    pub(super) groups: BTreeMap<String, ManifestGroup>,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ManifestUnit {
    pub(super) text: String,
    /// Its file in the store.
    pub(super) path: String,
    /// Whether it starts with the system; without that field, whether it does is not known.
    #[serde(default)]
    pub(super) wanted: Option<bool>,
}

/// A user, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestUser {
    pub(super) uid: Option<u32>,
    #[serde(default)]
    pub(super) is_normal_user: bool,
    #[serde(default)]
    pub(super) create_home: bool,
    #[serde(default)]
    pub(super) extra_groups: Vec<String>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
pub(super) struct ManifestGroup {
    pub(super) gid: Option<u32>,
    #[serde(default)]
    pub(super) members: Vec<String>,
}

impl ManifestUnit {
    /// The last value of `key` in its section `[Service]`.
    pub(super) fn setting(&self, key: &str) -> Option<&str> {
        let mut section = "";
        let mut found = None;
        for line in self.text.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            } else if section == "[Service]"
                && let Some((name, value)) = line.split_once('=')
                && name.trim() == key
            {
                found = Some(value.trim());
            }
        }
        found
    }

    /// Whether what its process reads or writes by itself is a socket's.
    pub(super) fn talks_to_a_socket(&self) -> bool {
        let of_socket = |to: &str| to == "socket" || to.split(':').next() == Some("fd");
        ["StandardInput", "StandardOutput"].iter().filter_map(|key| self.setting(key)).any(of_socket)
    }

    /// Whether its process is to stay.
    pub(super) fn stays(&self) -> bool {
        self.setting("Type") != Some("oneshot")
    }
}
