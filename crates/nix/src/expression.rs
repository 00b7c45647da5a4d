//! The expressions that are given to Nix: one folder of files for each thing that is built.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use icefield_emit::nix_string;
use icefield_spec::{Base, Name, NixModule, NixSource};

use crate::reference::Reference;
use crate::scope::Scope;
use crate::{Nix, NixError, unit};

/// Files by their path within the folder; `build.nix` is the one that is built.
pub(crate) type Files = BTreeMap<String, String>;

/// The file that is built.
pub(crate) const ROOT: &str = "build.nix";

/// What makes expressions: where things are, and which flakes stand for which.
pub(crate) struct Writer<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) nix: &'a Nix,
    /// Flakes from elsewhere, as they were found in this run.
    pub(crate) locked: &'a mut BTreeMap<String, String>,
}

impl Writer<'_> {
    /// A program that Nix builds, with the unit that runs it.
    pub(crate) fn program(
        &mut self,
        name: &Name,
        what: &str,
        system: &str,
        source: &NixSource,
        command: &[String],
    ) -> Result<Files, NixError> {
        let declared = |reason: String| NixError::Declared { what: what.to_owned(), reason };
        let mut files = Files::new();
        let package = self.package(what, source, &mut files)?;
        let text = unit::text(name, command).map_err(|error| declared(error.to_string()))?;
        files.insert(format!("tree/lib/systemd/system/icefield-{name}@.service"), text);
        let words: Vec<String> = command.iter().map(|word| nix_string(word)).collect();
        let manifest =
            format!("{{\n  service = {};\n  command = [ {} ];\n}}\n", nix_string(name.as_str()), words.join(" "));
        let mut out = head(what, system);
        let _ = write!(
            out,
            "icefield.unit {{\n  name = {};\n  package = {package};\n  tree = ./tree;\n  manifest = {};\n}}\n",
            nix_string(&format!("icefield-{name}")),
            nix_string(&manifest),
        );
        Ok(finished(files, out))
    }

    /// NixOS modules as a service.
    pub(crate) fn service(
        &mut self,
        name: &Name,
        what: &str,
        system: &str,
        modules: &[NixModule],
        nixpkgs: Option<&str>,
    ) -> Result<Files, NixError> {
        let mut files = Files::new();
        let modules: Vec<(String, &str)> =
            modules.iter().enumerate().map(|(at, module)| (format!("module-{at}.nix"), module.text.as_str())).collect();
        let mut out = head(what, system);
        let _ = write!(
            out,
            "icefield.service {{\n  name = {};\n  what = {};\n  evalConfig = {};\n  modules = [",
            nix_string(&format!("icefield-{name}.json")),
            nix_string(what),
            self.eval_config(nixpkgs)?,
        );
        for (file, text) in modules {
            let _ = write!(out, " ./{file}");
            files.insert(file, text.to_owned());
        }
        out.push_str(" ];\n}\n");
        Ok(finished(files, out))
    }

    /// The system of a base.
    pub(crate) fn base(
        &mut self,
        cluster: &Name,
        name: &Name,
        what: &str,
        system: &str,
        base: &Base,
    ) -> Result<Files, NixError> {
        let emitted = icefield_emit::base_files(cluster, name, base);
        let emitted =
            emitted.map_err(|error| NixError::Declared { what: what.to_owned(), reason: error.to_string() })?;
        let files: Files = emitted.into_iter().map(|file| (file.path, file.text)).collect();
        let mut out = head(what, system);
        let modules = format!("modules = [ ./bases/{name}.nix ];");
        let _ = match base.configuration() {
            Some((flake, configuration)) => {
                let flake = self.flake(what, flake)?;
                write!(
                    out,
                    "icefield.configured {{\n  what = {};\n  flake = {};\n  configuration = {};\n  {modules}\n}}\n",
                    nix_string(what),
                    nix_string(&flake),
                    nix_string(configuration),
                )
            }
            None => {
                let eval_config = self.eval_config(base.nixpkgs.as_deref())?;
                write!(out, "icefield.system {{\n  evalConfig = {eval_config};\n  {modules}\n}}\n")
            }
        };
        Ok(finished(files, out))
    }

    /// A flake, as it is found now.
    fn flake(&mut self, what: &str, reference: &str) -> Result<String, NixError> {
        match Reference::parse(reference, &self.scope.folder) {
            Reference::Local { path, .. } => text(&path),
            Reference::Remote { url, .. } => self.lock(&url),
            Reference::Nixpkgs { .. } => {
                let reason = format!("{reference} is no flake; name one like \".#web\" or \"github:o/r#web\"");
                Err(NixError::Declared { what: what.to_owned(), reason })
            }
        }
    }

    fn package(&mut self, what: &str, source: &NixSource, files: &mut Files) -> Result<String, NixError> {
        match source {
            NixSource::File(file) => {
                let path = self.scope.folder.join(&file.file);
                Ok(from_file(what, &absolute(&path)?, &file.attribute))
            }
            NixSource::Text(text) => {
                files.insert("package.nix".into(), text.text.clone());
                Ok(from_file(what, "./package.nix", &text.attribute))
            }
            NixSource::Reference(reference) => match Reference::parse(reference, &self.scope.folder) {
                Reference::Nixpkgs { attribute } => Ok(format!(
                    "icefield.fromNixpkgs {{ what = {}; nixpkgs = {}; attribute = {}; }}",
                    nix_string(what),
                    self.nixpkgs()?,
                    path(&attribute),
                )),
                Reference::Local { path, attribute } => Ok(from_flake(what, &text(&path)?, &attribute)),
                Reference::Remote { url, attribute } => Ok(from_flake(what, &self.lock(&url)?, &attribute)),
            },
        }
    }

    /// The set of packages.
    fn nixpkgs(&mut self) -> Result<String, NixError> {
        let own = self.scope.nixpkgs.clone();
        Ok(match Reference::parse(&own, &self.scope.folder) {
            Reference::Local { path, .. } => {
                format!("(import ({}) {{ inherit system; config = {{ }}; overlays = [ ]; }})", absolute(&path)?)
            }
            Reference::Nixpkgs { .. } => {
                format!("(builtins.getFlake {}).legacyPackages.${{system}}", nix_string(&self.lock(&own)?))
            }
            Reference::Remote { url, .. } => {
                format!("(builtins.getFlake {}).legacyPackages.${{system}}", nix_string(&self.lock(&url)?))
            }
        })
    }

    /// The function that makes a system of modules: a file that is one, what nixpkgs has of a folder, or what a flake has.
    fn eval_config(&mut self, nixpkgs: Option<&str>) -> Result<String, NixError> {
        let wanted = nixpkgs.unwrap_or(&self.scope.nixpkgs).to_owned();
        match Reference::parse(&wanted, &self.scope.folder) {
            Reference::Local { path, .. } if path.is_dir() && path.join("flake.nix").exists() => {
                Ok(format!("(builtins.getFlake {}).lib.nixosSystem", nix_string(&text(&path)?)))
            }
            Reference::Local { path, .. } if path.is_dir() => {
                Ok(format!("import ({} + \"/nixos/lib/eval-config.nix\")", absolute(&path)?))
            }
            Reference::Local { path, .. } => Ok(format!("import ({})", absolute(&path)?)),
            Reference::Nixpkgs { .. } => {
                Ok(format!("(builtins.getFlake {}).lib.nixosSystem", nix_string(&self.lock(&wanted)?)))
            }
            Reference::Remote { url, .. } => {
                Ok(format!("(builtins.getFlake {}).lib.nixosSystem", nix_string(&self.lock(&url)?)))
            }
        }
    }

    /// The flake as it is now, by its revision: asked once in a run, and without an evaluation.
    fn lock(&mut self, url: &str) -> Result<String, NixError> {
        if let Some(locked) = self.locked.get(url) {
            return Ok(locked.clone());
        }
        let locked = self.nix.lock_flake(url)?;
        self.locked.insert(url.to_owned(), locked.clone());
        Ok(locked)
    }
}

fn head(what: &str, system: &str) -> String {
    let system = nix_string(system);
    format!(
        "# Made by Icefield: {what}.\nlet\n  system = {system};\n  icefield = import ./icefield.nix {{ inherit system; }};\nin\n"
    )
}

fn finished(mut files: Files, root: String) -> Files {
    files.insert(ROOT.into(), root);
    files.insert("icefield.nix".into(), include_str!("icefield.nix").into());
    files
}

fn from_file(what: &str, file: &str, attribute: &str) -> String {
    let attribute = path(attribute);
    format!("icefield.fromFile {{ what = {}; file = {file}; attribute = {attribute}; }}", nix_string(what))
}

fn from_flake(what: &str, flake: &str, attribute: &str) -> String {
    let attribute = path(if attribute.is_empty() { "default" } else { attribute });
    let (what, flake) = (nix_string(what), nix_string(flake));
    format!("icefield.fromFlake {{ what = {what}; flake = {flake}; attribute = {attribute}; }}")
}

/// An attribute path as a list.
fn path(attribute: &str) -> String {
    let parts: Vec<String> = attribute.split('.').filter(|part| !part.is_empty()).map(nix_string).collect();
    format!("[ {} ]", parts.join(" "))
}

/// An absolute path as an expression.
fn absolute(path: &Path) -> Result<String, NixError> {
    Ok(format!("/. + {}", nix_string(&text(path)?)))
}

fn text(path: &Path) -> Result<String, NixError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| NixError::Declared { what: path.display().to_string(), reason: "the path is not UTF-8".into() })
}
