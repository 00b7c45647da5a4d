use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::NixModule;

/// What a replica is made of.
///
/// Arguments may refer to the replica's variables as `$NAME` or `${NAME}`; see [`crate::replica_variables`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Run {
    /// A program that the node has.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// A program that Nix builds.
    Nix {
        /// The package: an attribute path of nixpkgs, or a flake reference (`"github:o/r#name"`).
        package: String,
        /// The program within the package and its arguments.
        command: Vec<String>,
    },
    /// NixOS options as a service; at most one replica a node.
    Nixos {
        /// The modules.
        modules: Vec<NixModule>,
    },
    /// A container image.
    Container {
        /// The image with its tag or digest.
        image: String,
        /// The command, where it is not the image's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        command: Vec<String>,
    },
    /// A NixOS virtual machine of its own.
    Microvm {
        /// The modules that make the guest.
        modules: Vec<NixModule>,
    },
}

impl Run {
    /// The word for this kind: also the name of the driver that runs it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Exec { .. } => "exec",
            Self::Nix { .. } => "nix",
            Self::Nixos { .. } => "nixos",
            Self::Container { .. } => "container",
            Self::Microvm { .. } => "microvm",
        }
    }

    /// The command, where the kind has one.
    pub fn command(&self) -> &[String] {
        match self {
            Self::Exec { command } | Self::Nix { command, .. } | Self::Container { command, .. } => command,
            Self::Nixos { .. } | Self::Microvm { .. } => &[],
        }
    }

    /// Whether two replicas cannot share a node, because they would be the same part of its configuration.
    pub const fn is_node_wide(&self) -> bool {
        matches!(self, Self::Nixos { .. })
    }
}
