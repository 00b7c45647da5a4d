use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use icefield_spec::{Base, Machine, Name, NixSource, Revision, Run, Spec, Unit};
use serde::{Deserialize, Serialize};

use crate::expression::{Files, Writer};
use crate::inputs::{Inputs, relative_path};
use crate::reference::Reference;
use crate::scope::Scope;
use crate::{Built, Nix, NixError};

/// What kind of thing is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What nodes have.
    Base,
    /// A service.
    Service,
    /// A job.
    Job,
}

impl Kind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Service => "service",
            Self::Job => "job",
        }
    }
}

/// One thing that is built once, for all nodes of a system.
#[derive(Debug, Clone)]
pub struct Target {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// The system that it is built for: `x86_64-linux`.
    pub system: String,
    /// The hash of all that goes in.
    pub key: Revision,
    /// Why what is built is not remembered by its key, if it is not.
    pub loose: Option<String>,
    /// Where its link is that keeps it from being collected.
    pub(crate) root: String,
    pub(crate) files: Files,
}

impl Target {
    /// What it is, in words: `service web (x86_64-linux)`.
    pub fn title(&self) -> String {
        title(self.kind, &self.name, &self.system)
    }
}

fn title(kind: Kind, name: &Name, system: &str) -> String {
    format!("{} {name} ({system})", kind.name())
}

/// All that a spec needs built.
#[derive(Debug, Default)]
pub struct Targets {
    /// Each once.
    pub targets: Vec<Target>,
    /// The files and folders that go in: after a change of one of these, something may have to be built anew.
    pub watched: BTreeSet<PathBuf>,
}

/// Whether anything of `spec` is to be built, so that Nix is needed.
pub fn is_needed(spec: &Spec, bases: bool) -> bool {
    let systems = systems(machines(spec));
    let lacks = |unit: &Unit| missing(unit, &systems).next().is_some();
    bases && !spec.bases.is_empty()
        || spec.services.values().any(|service| lacks(&service.unit))
        || spec.jobs.values().any(|job| lacks(&job.unit))
}

/// What `spec` needs built: each base, and each service and job that is not built yet, for every system that nodes have.
///
/// # Errors
/// A flake from elsewhere cannot be found, or something cannot be written in Nix.
pub fn targets(spec: &Spec, scope: &Scope, nix: &Nix) -> Result<Targets, NixError> {
    let mut locked = BTreeMap::new();
    let mut all = Targets::default();
    let project = Revision::of(&(scope.folder.to_string_lossy(), &nix.config().store)).short();
    let mut gather = Gather {
        writer: Writer { scope, nix, locked: &mut locked },
        said: nix.said(),
        project: &project,
        all: &mut all,
    };
    if scope.bases {
        for (name, base) in &spec.bases {
            for system in systems(machines(spec).filter(|machine| machine.base.as_ref() == Some(name))) {
                gather.base(&spec.cluster, name, base, &system)?;
            }
        }
    }
    let systems = systems(machines(spec));
    for (name, service) in &spec.services {
        gather.unit(Kind::Service, name, &service.unit, &systems)?;
    }
    for (name, job) in &spec.jobs {
        gather.unit(Kind::Job, name, &job.unit, &systems)?;
    }
    Ok(all)
}

/// Writes what was built into the units of `spec`. What was built of bases is left to who activates them.
pub fn fill_in(spec: &mut Spec, built: &[Built]) {
    for one in built {
        let unit = match one.kind {
            Kind::Base => {
                // A base has one system: where its nodes are of several platforms, each would need its own.
                let mut same = built.iter().filter(|other| other.kind == Kind::Base && other.name == one.name);
                if let (Some(base), Some(only), None) = (spec.bases.get_mut(&one.name), same.next(), same.next()) {
                    base.system = Some(only.path.clone());
                }
                None
            }
            Kind::Service => spec.services.get_mut(&one.name).map(|service| &mut service.unit),
            Kind::Job => spec.jobs.get_mut(&one.name).map(|job| &mut job.unit),
        };
        if let Some(closures) = unit.and_then(|unit| unit.run.closures_mut()) {
            closures.insert(one.system.clone(), one.path.clone());
        }
    }
}

struct Gather<'a, 'w> {
    writer: Writer<'w>,
    said: &'a str,
    project: &'a str,
    all: &'a mut Targets,
}

impl Gather<'_, '_> {
    fn base(&mut self, cluster: &Name, name: &Name, base: &Base, system: &str) -> Result<(), NixError> {
        let what = title(Kind::Base, name, system);
        let files = self.writer.base(cluster, name, &what, system, base)?;
        let mut inputs = Inputs::default();
        // A configuration of a flake has a nixpkgs of its own.
        let source = base.configuration().map(|(flake, _)| flake).or(base.nixpkgs.as_deref());
        self.nixpkgs(source, &mut inputs);
        for module in &base.modules {
            self.text(&what, &module.text, &mut inputs)?;
        }
        self.add(Kind::Base, name, system, files, inputs);
        Ok(())
    }

    fn unit(&mut self, kind: Kind, name: &Name, unit: &Unit, systems: &BTreeSet<String>) -> Result<(), NixError> {
        for system in missing(unit, systems) {
            let what = title(kind, name, system);
            let mut inputs = Inputs::default();
            let files = match &unit.run {
                Run::Nix { package, command, .. } => {
                    self.source(&what, package, &mut inputs)?;
                    self.writer.program(name, &what, system, package, command)?
                }
                Run::Nixos { modules, nixpkgs, .. } => {
                    self.nixpkgs(nixpkgs.as_deref(), &mut inputs);
                    for module in modules {
                        self.text(&what, &module.text, &mut inputs)?;
                    }
                    self.writer.service(name, &what, system, modules, nixpkgs.as_deref())?
                }
                Run::Exec { .. } | Run::Container { .. } | Run::Microvm { .. } => continue,
            };
            self.add(kind, name, system, files, inputs);
        }
        Ok(())
    }

    /// Takes in what a program is built from.
    fn source(&self, what: &str, source: &NixSource, inputs: &mut Inputs) -> Result<(), NixError> {
        let search_path = self.writer.scope.search_path.as_deref();
        match source {
            NixSource::File(file) => {
                let path = self.writer.scope.folder.join(&file.file);
                std::fs::metadata(&path).map_err(NixError::file("read", &path))?;
                inputs.nix_file(&path, search_path);
                Ok(())
            }
            NixSource::Text(text) => self.text(what, &text.text, inputs),
            NixSource::Reference(reference) => {
                match Reference::parse(reference, &self.writer.scope.folder) {
                    Reference::Nixpkgs { .. } => self.nixpkgs(None, inputs),
                    Reference::Local { path, .. } => inputs.path(&path, search_path),
                    // Its revision is in the expression.
                    Reference::Remote { .. } => {}
                }
                Ok(())
            }
        }
    }

    /// Takes in an expression that is no file.
    fn text(&self, what: &str, text: &str, inputs: &mut Inputs) -> Result<(), NixError> {
        if let Some(path) = relative_path(text) {
            let reason = format!(
                "{path} is relative, and what is passed on as text has no place; give a file, or an absolute path"
            );
            return Err(NixError::Declared { what: what.to_owned(), reason });
        }
        inputs.text(text, self.writer.scope.search_path.as_deref());
        Ok(())
    }

    /// Takes in nixpkgs, or what is there instead of it, where that is of this machine.
    fn nixpkgs(&self, own: Option<&str>, inputs: &mut Inputs) {
        let scope = self.writer.scope;
        if let Reference::Local { path, .. } = Reference::parse(own.unwrap_or(&scope.nixpkgs), &scope.folder) {
            inputs.path(&path, scope.search_path.as_deref());
        }
    }

    fn add(&mut self, kind: Kind, name: &Name, system: &str, files: Files, inputs: Inputs) {
        let key = Revision::of(&(self.said, system, &files, &inputs.hashes));
        self.all.watched.extend(inputs.watched);
        self.all.targets.push(Target {
            kind,
            name: name.clone(),
            system: system.to_owned(),
            key,
            loose: inputs.loose,
            root: format!("{}/{}-{name}-{system}", self.project, kind.name()),
            files,
        });
    }
}

/// The systems that `unit` is not built for, of those that it should be.
fn missing<'a>(unit: &'a Unit, systems: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
    let closures = unit.run.closures();
    systems.iter().filter(move |system| closures.is_some_and(|closures| !closures.contains_key(*system)))
}

fn machines(spec: &Spec) -> impl Iterator<Item = &Machine> {
    spec.nodes.values().map(|node| &node.machine).chain(spec.pools.values().map(|pool| &pool.machine))
}

fn systems<'a>(machines: impl Iterator<Item = &'a Machine>) -> BTreeSet<String> {
    machines.map(|machine| machine.system.clone()).collect()
}
