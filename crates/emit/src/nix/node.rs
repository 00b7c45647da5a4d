//! `nodes/<node>.nix`.

use std::fmt::Write;

use icefield_plan::NodePlan;

use super::{mark, text};
use crate::EmitError;
use crate::files;
use crate::fleet::Fleet;
use crate::replica::Replica;

pub(super) fn text(fleet: &Fleet<'_>, plan: &NodePlan) -> Result<String, EmitError> {
    let groups = fleet.groups(plan)?;
    let mut out = mark(&plan.cluster);
    let _ = writeln!(out, "#\n# The node {}: {}.", plan.node, replicas(plan.replicas.len()));
    out.push_str("{\n  imports = [\n    ../icefield.nix\n");
    if let Some(base) = &plan.base {
        if !fleet.spec.bases.contains_key(base) {
            return Err(EmitError::NoBase { node: plan.node.clone(), base: base.clone() });
        }
        let _ = writeln!(out, "    ../bases/{base}.nix");
    }
    for group in &groups {
        let _ = writeln!(out, "    ../services/{}.nix", group.service.key);
    }
    let _ = write!(out, "  ];\n\n  networking.hostName = \"{}\";\n  nixpkgs.hostPlatform = ", plan.node);
    text::string(&mut out, &plan.system);
    let _ = write!(
        out,
        ";\n\n  icefield = {{\n    cluster = \"{}\";\n    node = \"{}\";\n    address = ",
        plan.cluster, plan.node
    );
    text::string(&mut out, &plan.address);
    out.push_str(";\n");
    for group in &groups {
        out.push_str("\n    services.");
        text::attribute(&mut out, &group.service.key);
        out.push_str(".replicas = {\n");
        for (index, planned) in &group.replicas {
            let replica = Replica::new(plan, group.service, *index, planned);
            let files = replica.files()?;
            if planned.ports.is_empty() && files.is_empty() {
                let _ = writeln!(out, "      \"{index}\" = {{ }};");
            }
            if !planned.ports.is_empty() {
                let _ = write!(out, "      \"{index}\".ports = {{");
                for (name, port) in &planned.ports {
                    out.push(' ');
                    text::attribute(&mut out, name.as_str());
                    let _ = write!(out, " = {port};");
                }
                out.push_str(" };\n");
            }
            if !files.is_empty() {
                let _ = writeln!(out, "      \"{index}\".files = {{");
                for (path, _) in files {
                    let place = files::emitted(group.service.service, *index, path);
                    let _ = writeln!(out, "        \"{path}\" = ../files/{}/{place};", plan.node);
                }
                out.push_str("      };\n");
            }
        }
        out.push_str("    };\n");
    }
    out.push_str("  };\n}\n");
    Ok(out)
}

fn replicas(count: usize) -> String {
    match count {
        0 => "no replica".into(),
        1 => "1 replica".into(),
        _ => format!("{count} replicas"),
    }
}
