//! `flake.nix`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use icefield_spec::{Name, Revision, Run};

use super::{mark, text};
use crate::EmitError;
use crate::fleet::Fleet;
use crate::package::Package;

/// The release that nodes are built from where their declaration names no other.
const NIXPKGS: &str = "github:NixOS/nixpkgs/nixos-26.05";
const MICROVM: &str = "github:microvm-nix/microvm.nix";

/// What the flake takes in besides nixpkgs.
pub(super) struct Inputs<'a> {
    /// Whether any service is a virtual machine.
    pub(super) microvm: bool,
    /// The input's name for each flake that a service or a base is made from.
    flakes: BTreeMap<&'a str, String>,
    /// The bases that start from a configuration of a flake: the flake, and which configuration it is.
    configured: BTreeMap<&'a Name, (&'a str, &'a str)>,
}

impl<'a> Inputs<'a> {
    pub(super) fn of(fleet: &Fleet<'a>) -> Result<Self, EmitError> {
        let mut urls = BTreeSet::new();
        let mut microvm = false;
        for service in fleet.services.values() {
            match &service.unit.run {
                Run::Nix { package, closures, .. } => {
                    if let Package::Flake { url, .. } = Package::of(service.service, package, closures)? {
                        urls.insert(url);
                    }
                }
                Run::Microvm { .. } => microvm = true,
                _ => {}
            }
        }
        let mut configured = BTreeMap::new();
        for (name, base) in &fleet.spec.bases {
            if let Some((url, configuration)) = base.configuration() {
                if url.starts_with('.') {
                    return Err(EmitError::Flake { base: name.clone(), flake: url.to_owned() });
                }
                urls.insert(url);
                configured.insert(name, (url, configuration));
            }
        }
        let mut taken: BTreeSet<String> = ["self", "nixpkgs", "microvm"].map(str::to_owned).into();
        let name = |url: &'a str| {
            let mut name = input_name(url);
            if !taken.insert(name.clone()) {
                name = format!("{name}-{}", Revision::of(url).short());
            }
            (url, name)
        };
        Ok(Self { microvm, flakes: urls.into_iter().map(name).collect(), configured })
    }

    /// The expression for a package, in a module that has `pkgs` and `inputs`.
    pub(super) fn package(&self, package: &Package<'_>) -> String {
        let mut out = String::new();
        match package {
            Package::Built { closures } => {
                out.push_str("builtins.storePath {");
                for (system, path) in *closures {
                    out.push(' ');
                    text::attribute(&mut out, system);
                    out.push_str(" = ");
                    text::string(&mut out, path.as_str());
                    out.push(';');
                }
                out.push_str(" }.${pkgs.stdenv.hostPlatform.system}");
            }
            Package::Nixpkgs { attributes } => {
                out.push_str("pkgs.");
                text::attribute_path(&mut out, attributes.iter().copied());
            }
            Package::Flake { url, attributes } => {
                out.push_str("inputs.");
                text::attribute(&mut out, self.flakes.get(url).map_or("", String::as_str));
                let whole =
                    matches!(attributes.first(), Some(&("packages" | "legacyPackages"))) && attributes.len() > 2;
                out.push_str(if whole { "." } else { ".packages.${pkgs.stdenv.hostPlatform.system}." });
                text::attribute_path(&mut out, attributes.iter().copied());
            }
        }
        out
    }
}

/// A readable name for an input: `github:o/r` is `github-o-r`.
fn input_name(url: &str) -> String {
    let words: Vec<&str> = url.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("flake-{name}") }
}

pub(super) fn text(cluster: &Name, inputs: &Inputs<'_>) -> String {
    let mut out = mark(cluster);
    out.push_str("#\n# To build a node:   nix build .#nixosConfigurations.<node>.config.system.build.toplevel\n");
    out.push_str("# To switch it over: nixos-rebuild switch --flake .#<node> --target-host root@<address>\n");
    let _ = write!(out, "{{\n  description = \"The nodes of the cluster {cluster}\";\n\n  inputs = {{\n");
    let _ = writeln!(out, "    nixpkgs.url = \"{NIXPKGS}\";");
    if inputs.microvm {
        let _ = writeln!(out, "    microvm.url = \"{MICROVM}\";");
        out.push_str("    microvm.inputs.nixpkgs.follows = \"nixpkgs\";\n");
    }
    for (url, name) in &inputs.flakes {
        out.push_str("    ");
        text::attribute(&mut out, name);
        out.push_str(".url = ");
        text::string(&mut out, url);
        out.push_str(";\n");
    }
    out.push_str(OUTPUTS);
    if !inputs.configured.is_empty() {
        out.push_str(CONFIGURED_HEAD);
        for (base, (url, configuration)) in &inputs.configured {
            out.push_str("        ");
            text::attribute(&mut out, base.as_str());
            out.push_str(" = inputs.");
            text::attribute(&mut out, inputs.flakes.get(url).map_or("", String::as_str));
            out.push_str(".nixosConfigurations.");
            text::attribute(&mut out, configuration);
            out.push_str(";\n");
        }
        out.push_str(CONFIGURED_TAIL);
    }
    let system = if inputs.configured.is_empty() { PLAIN } else { "systemOf" };
    let _ = write!(out, "    in\n    {{\n      nixosConfigurations = lib.genAttrs nodes {system};\n    }};\n}}\n");
    out
}

/// What comes before the systems.
const OUTPUTS: &str = r#"  };

  outputs =
    { nixpkgs, ... }@inputs:
    let
      inherit (nixpkgs) lib;

      # Every file nodes/<node>.nix is a node.
      isNode = file: lib.hasSuffix ".nix" file;
      nodes = map (lib.removeSuffix ".nix") (
        builtins.filter isNode (builtins.attrNames (builtins.readDir ./nodes))
      );
"#;

/// The system of a node where no base starts from a flake.
const PLAIN: &str = r#"(
        node:
        lib.nixosSystem {
          specialArgs = { inherit inputs; };
          modules = [ (./nodes + "/${node}.nix") ];
        }
      )"#;

/// What comes before the names of the configurations that bases start from.
const CONFIGURED_HEAD: &str = "
      # The bases that start from a configuration of another flake.
      configured = {
";

/// The system of a node where bases start from flakes. The modules of a flake mostly know its own inputs by that name.
const CONFIGURED_TAIL: &str = r#"      };
      baseOf = node: toString (lib.importJSON (./nodes + "/${node}.json")).base or null;
      systemOf =
        node:
        let
          modules = [ (./nodes + "/${node}.nix") ];
          configuration = configured.${baseOf node};
          own = configuration._module.specialArgs.inputs or { };
        in
        if configured ? ${baseOf node} then
          configuration.extendModules {
            inherit modules;
            specialArgs.inputs = inputs // own;
          }
        else
          lib.nixosSystem {
            inherit modules;
            specialArgs = { inherit inputs; };
          };
"#;
