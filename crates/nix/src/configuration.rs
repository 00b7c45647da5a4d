use icefield_emit::nix_string;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::{Nix, NixError};

/// What a NixOS configuration of a flake says of its machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Configuration {
    /// The system that it is for: `x86_64-linux`.
    pub system: String,
    /// Its static IPv4 addresses, by the names of their interfaces.
    pub addresses: Vec<String>,
}

/// Asks a configuration; in the real NixOS and in what has only a part of it.
const ASK: &str = r#"
configuration:
let
  inherit (configuration) config;
  interfaces = config.networking.interfaces or { };
  addressesOf = name: map (one: one.address) (interfaces.${name}.ipv4.addresses or [ ]);
in
{
  inherit (config.system.build.toplevel) system;
  addresses = builtins.concatMap addressesOf (builtins.attrNames interfaces);
}
"#;

impl Nix {
    /// The names of the NixOS configurations of a flake, in their order.
    ///
    /// # Errors
    /// The flake cannot be evaluated, or has none.
    pub fn configuration_names(&self, flake: &str) -> Result<Vec<String>, NixError> {
        self.ask(&format!("{flake}#nixosConfigurations"), "builtins.attrNames")
    }

    /// What one of them says of its machine.
    ///
    /// # Errors
    /// It cannot be evaluated.
    pub fn configuration(&self, flake: &str, name: &str) -> Result<Configuration, NixError> {
        self.ask(&format!("{flake}#nixosConfigurations.{}", nix_string(name)), ASK)
    }

    /// Has a function applied to an output of a flake.
    fn ask<T: DeserializeOwned>(&self, output: &str, function: &str) -> Result<T, NixError> {
        let what = format!("evaluating {output}");
        let command = self.command(["eval", "--json", "--no-write-lock-file", output, "--apply", function]);
        let answer = Call::new(command, &*what).run()?;
        serde_json::from_str(&answer)
            .map_err(|_| NixError::Unreadable { what, answer: answer.chars().take(200).collect() })
    }
}
