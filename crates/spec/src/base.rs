use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What every node of a pool has: packages, time, NixOS options and modules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Base {
    /// Packages of nixpkgs by attribute path (`"htop"`, `"python3Packages.requests"`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// How the nodes keep their clocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeSync>,
    /// NixOS options by dotted path (`"networking.firewall.allowedTCPPorts"`), as JSON values.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub nixos: Map<String, Value>,
    /// NixOS modules in Nix.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<NixModule>,
    /// Where nixpkgs is taken from, if not from where all take it: a path, or a flake reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nixpkgs: Option<String>,
}

/// How a node keeps its clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum TimeSync {
    /// From NTP servers, by host name or address.
    Ntp {
        /// The servers; at least one.
        servers: Vec<String>,
    },
}

/// A NixOS module, as text: the spec holds what it says, so its revision covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NixModule {
    /// What to call it: the name of the file it came from.
    pub name: String,
    /// The module in Nix.
    pub text: String,
}
