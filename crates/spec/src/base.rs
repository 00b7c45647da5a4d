use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Health, Millis, Share, StorePath, Strategy, Update, Wait};

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
    /// A configuration of a flake that its system starts from, as `nixos-rebuild --flake` has it: `".#web"` is
    /// `nixosConfigurations.web` of the flake beside the declaration. It brings its own nixpkgs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flake: Option<String>,
    /// The NixOS system that it was built to, which its nodes are to run; written by `icefield build`. Without it, nodes keep
    /// the system that they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<StorePath>,
    /// How its nodes go from one system to the next; see [`Base::update`] for what holds without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// A command that says whether a node does well with a new system, besides what its replicas say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Whether a node is restarted for every new system, not only for one with another kernel.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reboot: bool,
}

impl Base {
    /// The flake that its system starts from, and the name of the configuration in it: that may hold dots.
    pub fn configuration(&self) -> Option<(&str, &str)> {
        let (flake, name) = self.flake.as_deref()?.split_once('#')?;
        let name = name.strip_prefix("nixosConfigurations.").unwrap_or(name);
        let unquoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        Some((if flake.is_empty() { "." } else { flake }, unquoted))
    }

    /// How its nodes go from one system to the next: as declared, else one node first and then one at a time, each of which
    /// must do well for half a minute.
    pub fn update(&self) -> Update {
        self.update.clone().unwrap_or(Update {
            kind: Strategy::Canary { share: Share::Count(1), wait: Wait::Hold(Millis::default()) },
            max_unavailable: 1,
            max_surge: 0,
            healthy_for: Millis::new(30_000),
            deadline: Millis::new(600_000),
            rollback: true,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_named_with_and_without_where_it_is() {
        let configuration = |flake: &str| {
            let base = Base { flake: Some(flake.into()), ..Base::default() };
            base.configuration().map(|(flake, name)| (flake.to_owned(), name.to_owned()))
        };
        let expected = |flake: &str| Some((flake.to_owned(), "a.example".to_owned()));
        assert_eq!(configuration("#a.example"), expected("."));
        assert_eq!(configuration("github:o/r#\"a.example\""), expected("github:o/r"));
        assert_eq!(configuration("./x#nixosConfigurations.a.example"), expected("./x"));
        assert_eq!(configuration("./x"), None);
    }
}
