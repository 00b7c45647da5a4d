use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Closures, NixModule, NixSource};

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
        /// The package: an attribute path of nixpkgs, a flake reference (`"github:o/r#name"`), a file or an expression.
        package: NixSource,
        /// The program within the package and its arguments.
        command: Vec<String>,
        /// What it was built to.
        #[serde(default, skip_serializing_if = "Closures::is_empty")]
        closures: Closures,
    },
    /// NixOS options as a service; at most one replica a node.
    Nixos {
        /// The modules.
        modules: Vec<NixModule>,
        /// Where nixpkgs is taken from, if not from where all take it: a path, or a flake reference.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nixpkgs: Option<String>,
        /// What it was built to.
        #[serde(default, skip_serializing_if = "Closures::is_empty")]
        closures: Closures,
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

    /// What it was built to, where Nix builds it.
    pub const fn closures(&self) -> Option<&Closures> {
        match self {
            Self::Nix { closures, .. } | Self::Nixos { closures, .. } => Some(closures),
            _ => None,
        }
    }

    /// The same, to be filled in.
    pub const fn closures_mut(&mut self) -> Option<&mut Closures> {
        match self {
            Self::Nix { closures, .. } | Self::Nixos { closures, .. } => Some(closures),
            _ => None,
        }
    }

    /// Whether two replicas cannot share a node, because they would be the same part of its configuration.
    pub const fn is_node_wide(&self) -> bool {
        matches!(self, Self::Nixos { .. })
    }
}
