use std::collections::BTreeSet;

use super::Check;
use crate::variables::{InvalidReference, references};
use crate::{Run, Unit, nearest};

impl Check<'_> {
    pub(super) fn run(&mut self, path: &str, unit: &Unit) {
        let at = format!("{path}.run");
        match &unit.run {
            Run::Exec { .. } | Run::Nix { .. } => self.command(&at, unit.run.command(), unit),
            Run::Container { command, .. } if !command.is_empty() => self.command(&at, command, unit),
            Run::Nixos { modules, .. } | Run::Microvm { modules } if modules.is_empty() => {
                self.report(&at, "at least one module is needed");
            }
            _ => {}
        }
        if unit.run.is_node_wide() && (unit.is_singleton() || unit.once) {
            let message =
                "NixOS modules cannot be a singleton or a job: nothing would end them when their node is cut off";
            self.report(&at, message).help = Some("write nix(package, command), or leave that out".into());
        }
        match &unit.run {
            Run::Nix { package, .. } => self.nix_source(&at, package),
            Run::Nixos { nixpkgs: Some(nixpkgs), .. } => self.flake_reference(&at, nixpkgs),
            Run::Container { image, .. } if image.trim().is_empty() || image.contains(char::is_whitespace) => {
                self.report(&at, format!("{image:?} is not the name of an image"));
            }
            _ => {}
        }
    }

    pub(super) fn command(&mut self, at: &str, command: &[String], unit: &Unit) {
        let Some(program) = command.first() else {
            self.report(at, "the command is empty").help = Some("name the program and its arguments".into());
            return;
        };
        if program.is_empty() {
            self.report(at, "the program's name is empty");
        }
        let mut known: BTreeSet<String> = unit.given_variables().into_iter().collect();
        known.extend(self.told(unit));
        known.extend(unit.env.keys().cloned());
        for argument in command {
            if let Ok(names) = references(argument)
                && let Some(secret) = names.into_iter().find(|name| unit.secret_env.contains_key(*name))
            {
                let message = format!("${secret} is a secret, and everyone on the node may read command lines");
                let help = "have the program read the variable itself, or give it a file";
                self.report(at, message).help = Some(help.into());
                continue;
            }
            if argument.contains('\0') {
                self.report(at, "an argument holds a NUL character, which no program can be given");
            }
            self.text(at, argument, &known, unit);
        }
    }

    /// Reports references in `text` that no replica could resolve.
    pub(super) fn text(&mut self, at: &str, text: &str, known: &BTreeSet<String>, unit: &Unit) {
        match references(text) {
            Ok(names) => {
                for name in names.into_iter().filter(|name| !known.contains(*name)) {
                    let help = self.how_to_be_told(name, unit).unwrap_or_else(|| {
                        nearest(name, known.iter().map(String::as_str)).map_or_else(
                            || "write \"$$\" for the character itself".to_owned(),
                            |near| format!("did you mean ${near}?"),
                        )
                    });
                    self.report(at, InvalidReference::Unknown(name.into()).to_string()).help = Some(help);
                }
            }
            Err(error) => {
                self.report(at, error.to_string());
            }
        }
    }
}
