//! A `.mount` unit for each volume that is not on the node.

use std::fmt::Write;

use icefield_plan::NodePlan;
use icefield_spec::{Name, VolumeSource};

/// The name that systemd wants the unit of a mount on `folder` to have.
pub(super) fn name(folder: &str) -> String {
    let mut name = String::new();
    for byte in folder.trim_matches('/').bytes() {
        match byte {
            b'/' => name.push('-'),
            b'_' | b'.' | b':' => name.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            _ => {
                let _ = write!(name, "\\x{byte:02x}");
            }
        }
    }
    format!("{name}.mount")
}

pub(super) fn text(plan: &NodePlan, service: &Name, index: u32, folder: &str, source: &VolumeSource) -> String {
    let mut out = format!("# Made by Icefield from the cluster \"{}\"; edits are lost.\n", plan.cluster);
    if let VolumeSource::Rbd { .. } = source {
        out.push_str("# The device is there once the image is mapped: see rbdmap.service of Ceph.\n");
    }
    let _ = write!(out, "\n[Unit]\nDescription=A volume of replica {index} of {service}\n");
    out.push_str("Wants=network-online.target\nAfter=network-online.target\n");
    let percent = |text: &str| text.replace('%', "%%");
    let _ = write!(out, "\n[Mount]\nWhat={}\nWhere={folder}\n", percent(&source.device()));
    let _ = writeln!(out, "Type={}", source.filesystem());
    if !source.options().is_empty() {
        let _ = writeln!(out, "Options={}", percent(source.options()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_called_by_its_folder() {
        assert_eq!(name("/var/lib/db-0/data"), "var-lib-db\\x2d0-data.mount");
    }
}
