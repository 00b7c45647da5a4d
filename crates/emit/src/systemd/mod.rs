//! Plain systemd units for each node, for any Linux.
//!
//! ```text
//! README                                              how to bring them to the nodes
//! nodes/<node>/systemd/system/icefield-web@0.service  one unit for each replica
//! nodes/<node>/manifest.json                          the node's plan, as an agent gets it
//! endpoints/<service>.json                            where a service is that another uses
//! ```
//!
//! Everything about a replica is written out in its unit: command, environment, limits. The units use what systemd 240
//! and later know; so a replica that keeps failing is started again every second, and not ever more slowly.

mod command;
mod job_unit;
mod mount;
mod unit_file;
pub(crate) mod word;

use icefield_plan::NodePlan;
use icefield_spec::Run;

use crate::fleet::{Fleet, json};
use crate::form::Form;
use crate::replica::Replica;
use crate::{EmitError, File, Target};
use crate::{files, volumes};

pub(crate) struct Systemd<'a> {
    fleet: Fleet<'a>,
}

impl<'a> Systemd<'a> {
    pub(crate) fn new(fleet: Fleet<'a>) -> Result<Self, EmitError> {
        for service in fleet.services.values() {
            if let Run::Nixos { .. } | Run::Microvm { .. } = service.unit.run {
                return Err(EmitError::Unsupported {
                    service: service.service.clone(),
                    kind: service.unit.run.kind(),
                    target: Target::Systemd,
                    instead: Target::Nix,
                });
            }
        }
        Ok(Self { fleet })
    }
}

impl Form for Systemd<'_> {
    fn shared(&self) -> Result<Vec<File>, EmitError> {
        let cluster = &self.fleet.spec.cluster;
        let readme = include_str!("README").replace("CLUSTER", cluster.as_str());
        Ok(std::iter::once(File::new("README", readme)).chain(self.fleet.endpoint_files()).collect())
    }

    fn node(&self, plan: &NodePlan) -> Result<Vec<File>, EmitError> {
        let node = &plan.node;
        let mut written = Vec::with_capacity(plan.replicas.len() + 1);
        for group in self.fleet.groups(plan)? {
            for (index, replica) in &group.replicas {
                let name = format!("icefield-{}@{index}.service", group.service.service);
                let replica = Replica::new(plan, group.service, *index, replica);
                let text = unit_file::text(plan, group.service, *index, &replica)?;
                written.push(File::new(format!("nodes/{node}/systemd/system/{name}"), text));
                let service = group.service;
                for (path, text) in replica.files()? {
                    let path = files::emitted(service.service, *index, path);
                    written.push(File::new(format!("nodes/{node}/files/{path}"), text));
                }
                for (folder, source) in volumes::mounted(service.service, *index, service.unit) {
                    let text = mount::text(plan, service.service, *index, &folder, source);
                    written.push(File::new(format!("nodes/{node}/systemd/system/{}", mount::name(&folder)), text));
                }
                if let Some(text) = group.service.job.and_then(|job| job_unit::timer(plan, group.service.service, job))
                {
                    let name = format!("icefield-{}@{index}.timer", group.service.service);
                    written.push(File::new(format!("nodes/{node}/systemd/system/{name}"), text));
                }
            }
        }
        written.push(File::new(format!("nodes/{node}/manifest.json"), json(plan)));
        Ok(written)
    }
}
