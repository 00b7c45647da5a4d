//! `services/<service>.nix`.

use std::fmt::Write;

use icefield_spec::{InvalidReference, Job, Name, Probe, Run, Unit};

use super::flake::Inputs;
use super::{mark, modules, text};
use crate::EmitError;
use crate::calendar::calendar;
use crate::fleet::ServiceRevision;
use crate::limits::stop_timeout;
use crate::package::Package;
use crate::{files, secrets};

pub(super) fn text(cluster: &Name, service: &ServiceRevision<'_>, inputs: &Inputs<'_>) -> Result<String, EmitError> {
    let unit = service.unit;
    let mut out = mark(cluster);
    let _ = writeln!(out, "#\n# What the replicas of {} have in common, wherever they run.", service.service);
    if let Some(health) = &unit.health {
        let kind = match health.probe {
            Probe::Http { .. } => "http",
            Probe::Tcp { .. } => "tcp",
            Probe::Exec { .. } => "exec",
        };
        let interval = health.interval;
        let _ = writeln!(
            out,
            "# Its health check ({kind}, every {interval}) is made by Icefield's agent; systemd has none."
        );
    }
    let package = match &unit.run {
        Run::Nix { package, closures, .. } => Some(Package::of(service.service, package, closures)?),
        _ => None,
    };
    out.push_str(match package {
        Some(Package::Nixpkgs { .. } | Package::Built { .. }) => "{ pkgs, ... }:\n{\n",
        Some(Package::Flake { .. }) => "{ inputs, pkgs, ... }:\n{\n",
        None => "{ ... }:\n{\n",
    });
    match &unit.run {
        Run::Nixos { modules, .. } => list(&mut out, 2, "imports", module_paths(service, modules)),
        Run::Microvm { .. } => out.push_str("  imports = [ ../microvm.nix ];\n\n"),
        _ => {}
    }
    if matches!(unit.run, Run::Nixos { .. }) {
        out.push('\n');
    }
    out.push_str("  icefield.services.");
    text::attribute(&mut out, &service.key);
    out.push_str(" = {\n");
    if service.key != service.service.as_str() {
        let _ = writeln!(out, "    name = \"{}\";", service.service);
    }
    let _ = writeln!(out, "    revision = \"{}\";", service.revision);
    let _ = writeln!(out, "    kind = \"{}\";", unit.run.kind());
    let _ = writeln!(out, "    cpu = {}; # thousandths of a core", unit.cpu.millis());
    let _ = writeln!(out, "    memory = {}; # {}", unit.memory.get(), unit.memory);
    let _ = writeln!(out, "    stopTimeout = \"{}\";", stop_timeout(unit.stop_grace));
    if let Some(package) = package {
        let _ = writeln!(out, "    package = {};", inputs.package(&package));
    }
    match &unit.run {
        Run::Container { image, .. } => {
            out.push_str("    image = ");
            text::string(&mut out, image);
            out.push_str(";\n");
        }
        Run::Microvm { modules } => list(&mut out, 4, "guest", module_paths(service, modules)),
        _ => {}
    }
    let wrong = |place: &str, source| EmitError::Reference {
        service: service.service.clone(),
        place: place.to_owned(),
        source,
    };
    environment(&mut out, service).map_err(|source| wrong("the environment", source))?;
    command(&mut out, unit.run.command()).map_err(|source| wrong("the command", source))?;
    if !unit.secret_env.is_empty() {
        let _ = writeln!(out, "    secretEnvironment = \"{}\";", secrets::environment_file(service.service));
    }
    file_options(&mut out, service.service, unit);
    let on_node = unit.volumes.iter().filter(|(_, volume)| volume.source.is_host());
    if unit.is_tied() {
        out.push_str("    volumes = [\n");
        for (volume, _) in on_node {
            let _ = writeln!(out, "      \"{volume}\"");
        }
        out.push_str("    ];\n");
    }
    mounts(&mut out, unit);
    if let Some(job) = service.job {
        job_options(&mut out, job);
    }
    if !unit.uses.is_empty() {
        out.push_str("    uses = {\n");
        for used in &unit.uses {
            out.push_str("      ");
            text::attribute(&mut out, used.as_str());
            let _ = writeln!(out, " = ../endpoints/{used}.json;");
        }
        out.push_str("    };\n    told = {\n");
        for (variable, value) in unit.told(cluster.as_str()) {
            out.push_str("      ");
            text::attribute(&mut out, &variable);
            out.push_str(" = ");
            text::string(&mut out, &value);
            out.push_str(";\n");
        }
        out.push_str("    };\n");
    }
    out.push_str("  };\n}\n");
    Ok(out)
}

/// Which files are secrets, and where their values are; and who may read the others.
fn file_options(out: &mut String, service: &Name, unit: &Unit) {
    let secret: Vec<_> = files::secret_files(service, unit).collect();
    let modes: Vec<_> = files::special_modes(unit).map(|(path, mode)| (path, mode.to_string())).collect();
    for (option, entries) in [("secretFiles", secret), ("fileModes", modes)] {
        if entries.is_empty() {
            continue;
        }
        let _ = writeln!(out, "    {option} = {{");
        for (path, value) in entries {
            let _ = writeln!(out, "      \"{path}\" = \"{value}\";");
        }
        out.push_str("    };\n");
    }
}

/// The volumes that are not on the node.
fn mounts(out: &mut String, unit: &Unit) {
    let mut elsewhere = unit.volumes.iter().filter(|(_, volume)| !volume.source.is_host()).peekable();
    if elsewhere.peek().is_none() {
        return;
    }
    out.push_str("    mounts = {\n");
    for (name, volume) in elsewhere {
        out.push_str("      ");
        text::attribute(out, name.as_str());
        out.push_str(" = {\n        what = ");
        text::string(out, &volume.source.device());
        out.push_str(";\n        type = ");
        text::string(out, volume.source.filesystem());
        if !volume.source.options().is_empty() {
            out.push_str(";\n        options = ");
            text::string(out, volume.source.options());
        }
        out.push_str(";\n      };\n");
    }
    out.push_str("    };\n");
}

/// What makes a job of it.
fn job_options(out: &mut String, job: &Job) {
    out.push_str("    job = {\n");
    let _ = writeln!(out, "      retries = {};", job.retries);
    let _ = writeln!(out, "      pause = \"{}\";", job.pause);
    let _ = writeln!(out, "      deadline = \"{}\";", job.deadline);
    if let Some(times) = job.schedule.as_ref().and_then(calendar) {
        out.push_str("      calendar = [\n");
        for time in times {
            out.push_str("        ");
            text::string(out, &time);
            out.push('\n');
        }
        out.push_str("      ];\n");
    }
    out.push_str("    };\n");
}

fn module_paths(service: &ServiceRevision<'_>, modules: &[icefield_spec::NixModule]) -> Vec<String> {
    modules::file_names(modules).into_iter().map(|file| format!("./{}/{file}", service.key)).collect()
}

fn list(out: &mut String, indent: usize, name: &str, items: Vec<String>) {
    let _ = writeln!(out, "{:indent$}{name} = [", "");
    for item in items {
        let _ = writeln!(out, "{:indent$}  {item}", "");
    }
    let _ = writeln!(out, "{:indent$}];", "");
}

fn environment(out: &mut String, service: &ServiceRevision<'_>) -> Result<(), InvalidReference> {
    let env = &service.unit.env;
    if env.is_empty() {
        return Ok(());
    }
    out.push_str("    environment = ");
    text::function_of_env(out, env.values().map(String::as_str))?;
    out.push_str("{\n");
    for (name, value) in env {
        out.push_str("      ");
        text::attribute(out, name);
        out.push_str(" = ");
        text::template(out, value)?;
        out.push_str(";\n");
    }
    out.push_str("    };\n");
    Ok(())
}

fn command(out: &mut String, command: &[String]) -> Result<(), InvalidReference> {
    if command.is_empty() {
        return Ok(());
    }
    out.push_str("    command = ");
    text::function_of_env(out, command.iter().map(String::as_str))?;
    out.push_str("[\n");
    for argument in command {
        out.push_str("      ");
        text::template(out, argument)?;
        out.push('\n');
    }
    out.push_str("    ];\n");
    Ok(())
}
