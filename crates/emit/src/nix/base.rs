//! `bases/<base>.nix`.

use icefield_spec::{Base, Name, TimeSync};
use serde_json::Value;

use super::value::{TooLarge, spaces, value};
use super::{mark, modules, text};
use crate::EmitError;

/// What a module itself consists of; as the head of an option's path it would make another module of the file.
const RESERVED: [&str; 9] =
    ["_class", "_file", "_module", "config", "disabledModules", "freeformType", "imports", "key", "options"];

/// One option with its path and its value in Nix.
struct Setting {
    path: Vec<String>,
    value: String,
}

pub(super) fn text(cluster: &Name, name: &Name, base: &Base) -> Result<String, EmitError> {
    let mut groups: Vec<Vec<Setting>> = Vec::new();
    if !base.packages.is_empty() {
        groups.push(vec![Setting::new("environment.systemPackages", packages(&base.packages))]);
    }
    if let Some(TimeSync::Ntp { servers }) = &base.time {
        let servers = Value::from(servers.clone());
        groups.push(vec![
            Setting::of_json(name, "networking.timeServers", &servers)?,
            Setting::new("services.timesyncd.enable", "true".into()),
        ]);
    }
    // An option that is set twice, or within another, is left to NixOS to merge: each in a module of its own.
    let mut apart: Vec<Setting> = Vec::new();
    let mut own: Vec<Setting> = Vec::new();
    for (option, wanted) in &base.nixos {
        let setting = Setting::of_user(name, option, wanted)?;
        let clashes = groups.iter().flatten().chain(&own).any(|other| other.overlaps(&setting));
        if clashes { apart.push(setting) } else { own.push(setting) }
    }
    groups.push(own);

    let mut out = mark(cluster);
    out.push_str(if base.packages.is_empty() { "{ ... }:\n{\n" } else { "{ pkgs, ... }:\n{\n" });
    let files = modules::file_names(&base.modules);
    let mut sections = Vec::new();
    if !files.is_empty() || !apart.is_empty() {
        let mut imports = String::from("  imports = [\n");
        for file in files {
            imports.push_str(&format!("    ./{name}/{file}\n"));
        }
        for setting in apart {
            imports.push_str("    { ");
            setting.write(&mut imports);
            imports.push_str(" }\n");
        }
        imports.push_str("  ];\n");
        sections.push(imports);
    }
    for group in groups.iter().filter(|group| !group.is_empty()) {
        let mut section = String::new();
        for setting in group {
            spaces(&mut section, 2);
            setting.write(&mut section);
            section.push('\n');
        }
        sections.push(section);
    }
    out.push_str(&sections.join("\n"));
    out.push_str("}\n");
    Ok(out)
}

impl Setting {
    fn new(path: &str, value: String) -> Self {
        Self { path: path.split('.').map(str::to_owned).collect(), value }
    }

    fn of_user(base: &Name, option: &str, wanted: &Value) -> Result<Self, EmitError> {
        if option.split('.').any(str::is_empty) || option.split('.').next().is_some_and(|head| RESERVED.contains(&head))
        {
            return Err(EmitError::Option { base: base.clone(), option: option.to_owned() });
        }
        Self::of_json(base, option, wanted)
    }

    fn of_json(base: &Name, option: &str, wanted: &Value) -> Result<Self, EmitError> {
        let mut out = String::new();
        match value(&mut out, wanted, 2) {
            Ok(()) => Ok(Self::new(option, out)),
            Err(TooLarge(number)) => {
                Err(EmitError::Number { base: base.clone(), option: option.to_owned(), number: number.to_string() })
            }
        }
    }

    /// Whether one of the two is the other or is in it.
    fn overlaps(&self, other: &Self) -> bool {
        self.path.iter().zip(&other.path).all(|(a, b)| a == b)
    }

    fn write(&self, out: &mut String) {
        text::attribute_path(out, self.path.iter().map(String::as_str));
        out.push_str(" = ");
        out.push_str(&self.value);
        out.push(';');
    }
}

fn packages(packages: &[String]) -> String {
    let mut out = String::from("[\n");
    for package in packages {
        out.push_str("    pkgs.");
        text::attribute_path(&mut out, package.split('.'));
        out.push('\n');
    }
    out.push_str("  ]");
    out
}
