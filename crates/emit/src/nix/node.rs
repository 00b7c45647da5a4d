//! `nodes/<node>.nix`.

use std::fmt::Write;

use icefield_plan::NodePlan;

use super::{mark, text};
use crate::EmitError;
use crate::fleet::Fleet;

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
        for (index, replica) in &group.replicas {
            let _ = write!(out, "      \"{index}\"");
            if replica.ports.is_empty() {
                out.push_str(" = { };\n");
                continue;
            }
            out.push_str(".ports = {");
            for (name, port) in &replica.ports {
                out.push(' ');
                text::attribute(&mut out, name.as_str());
                let _ = write!(out, " = {port};");
            }
            out.push_str(" };\n");
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
