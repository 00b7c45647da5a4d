//! A flake with one NixOS system for each node.
//!
//! ```text
//! flake.nix              nixosConfigurations.<node> for every file in nodes/
//! icefield.nix           the options under `icefield`, and how replicas become systemd units
//! microvm.nix            the same for virtual machines, where there are any
//! bases/<base>.nix       what a pool's nodes have
//! services/<service>.nix what a service's replicas have in common; says nothing of any node
//! nodes/<node>.nix       which base, which services, and its replicas with their ports
//! nodes/<node>.json      the node's plan, as an agent gets it
//! files/<node>/          the files of its replicas, but for those that are secrets
//! endpoints/<service>.json   where a service is that another uses
//! ```
//!
//! A service's command and environment are Nix functions of a replica's variables. So a service's file holds for all
//! nodes, Nix itself puts a replica's ports and address in their places, and nothing depends on what systemd expands.
//!
//! A container is run by `podman run` in a unit of ours and not by NixOS's `oci-containers`: it thus has the same name,
//! limits and restarts as every other replica, here and in the systemd target.
//!
//! During a rollout a service has two revisions: `services/web.nix` is the one that the spec declares, and
//! `services/web.<revision>.nix` the one that some replicas still are.

mod base;
mod flake;
mod modules;
mod node;
mod service;
mod text;
mod value;

use icefield_plan::NodePlan;
use icefield_spec::{Base, Name, Run};

use self::flake::Inputs;
use crate::fleet::{Fleet, json};
use crate::form::Form;
use crate::replica::Replica;
use crate::{EmitError, File, files};

pub(crate) struct Nix<'a> {
    fleet: Fleet<'a>,
    inputs: Inputs<'a>,
}

impl<'a> Nix<'a> {
    pub(crate) fn new(fleet: Fleet<'a>) -> Result<Self, EmitError> {
        let inputs = Inputs::of(&fleet)?;
        Ok(Self { fleet, inputs })
    }
}

impl Form for Nix<'_> {
    fn shared(&self) -> Result<Vec<File>, EmitError> {
        let cluster = &self.fleet.spec.cluster;
        let mut files = vec![File::new("flake.nix", flake::text(cluster, &self.inputs))];
        files.push(File::new("icefield.nix", marked(cluster, include_str!("icefield.nix"))));
        if self.inputs.microvm {
            files.push(File::new("microvm.nix", marked(cluster, include_str!("microvm.nix"))));
        }
        for (name, base) in &self.fleet.spec.bases {
            files.extend(base_files(cluster, name, base)?);
        }
        for service in self.fleet.services.values() {
            let text = service::text(cluster, service, &self.inputs)?;
            files.push(File::new(format!("services/{}.nix", service.key), text));
            if let Run::Nixos { modules, .. } | Run::Microvm { modules } = &service.unit.run {
                files.extend(modules::files(&format!("services/{}", service.key), modules));
            }
        }
        files.extend(self.fleet.endpoint_files());
        for file in &files {
            if file.text.contains('\0') {
                return Err(EmitError::Character {
                    place: file.path.clone(),
                    character: '\0',
                    holder: "a file of Nix",
                });
            }
        }
        Ok(files)
    }

    fn node(&self, plan: &NodePlan) -> Result<Vec<File>, EmitError> {
        let node = &plan.node;
        let mut written = vec![
            File::new(format!("nodes/{node}.nix"), node::text(&self.fleet, plan)?),
            File::new(format!("nodes/{node}.json"), json(plan)),
        ];
        for group in self.fleet.groups(plan)? {
            for (index, planned) in &group.replicas {
                for (path, text) in Replica::new(plan, group.service, *index, planned).files()? {
                    let path = files::emitted(group.service.service, *index, path);
                    written.push(File::new(format!("files/{node}/{path}"), text));
                }
            }
        }
        Ok(written)
    }
}

/// The module of a base, and the modules that it imports: `bases/<name>.nix` and what is below `bases/<name>`.
///
/// # Errors
/// If an option of it cannot be written in Nix.
pub fn base_files(cluster: &Name, name: &Name, base: &Base) -> Result<Vec<File>, EmitError> {
    let mut files = vec![File::new(format!("bases/{name}.nix"), base::text(cluster, name, base)?)];
    files.extend(modules::files(&format!("bases/{name}"), &base.modules));
    Ok(files)
}

/// `text` as a string of Nix.
pub fn nix_string(text: &str) -> String {
    let mut out = String::new();
    text::string(&mut out, text);
    out
}

/// The first line of every file.
fn mark(cluster: &Name) -> String {
    format!("# Made by Icefield from the cluster \"{cluster}\"; edits are lost.\n")
}

fn marked(cluster: &Name, text: &str) -> String {
    let mut marked = mark(cluster);
    // A line between them, so that the file's own comment stays one.
    marked.push('\n');
    marked.push_str(text);
    marked
}
