//! `icefield-<service>@<index>.service`.

use std::fmt::Write;

use icefield_plan::NodePlan;
use icefield_spec::{Run, credential_name};

use super::{command, job_unit, word};
use crate::EmitError;
use crate::fleet::ServiceRevision;
use crate::limits::{cpu_weight, stop_timeout};
use crate::replica::Replica;
use crate::{files, secrets, volumes};

pub(super) fn text(
    plan: &NodePlan,
    service: &ServiceRevision<'_>,
    index: u32,
    replica: &Replica<'_>,
) -> Result<String, EmitError> {
    let ServiceRevision { service: name, revision, unit, .. } = *service;
    let mut variables = replica.variables()?;
    let argv = command::argv(name, index, unit, &plan.system, &variables)?;
    let is_container = matches!(unit.run, Run::Container { .. });
    if is_container {
        variables.clear();
    }
    if let Run::Nix { closures, .. } = &unit.run {
        let path = closures
            .get(&plan.system)
            .map_or_else(|| command::NIX_PATH.to_owned(), |closure| format!("{closure}/bin:{}", command::NIX_PATH));
        variables.entry("PATH".into()).or_insert(path);
    }

    let mut out = String::with_capacity(1024);
    let _ = writeln!(out, "# Made by Icefield from the cluster \"{}\"; edits are lost.", plan.cluster);
    if let Some(health) = &unit.health {
        let interval = health.interval;
        let _ = writeln!(out, "# Its health check (every {interval}) is made by Icefield's agent; systemd has none.");
    }
    let mounts: Vec<String> = volumes::mounted(name, index, unit).map(|(folder, _)| folder).collect();
    match service.job {
        Some(job) => job_unit::head(&mut out, name, revision, job),
        None => {
            let _ = write!(out, "\n[Unit]\nDescription=Replica {index} of {name}\n");
            out.push_str("Wants=network-online.target\nAfter=network-online.target\nStartLimitIntervalSec=0\n");
            if !mounts.is_empty() {
                let _ = writeln!(out, "RequiresMountsFor={}", mounts.join(" "));
            }
            out.push_str("\n[Service]\nType=exec\n");
        }
    }
    for (path, mode) in files::special_modes(unit) {
        let path = format!("{}/{}", files::folder(name, index), path.trim_start_matches('/'));
        let _ = writeln!(out, "ExecStartPre=/usr/bin/env chmod {mode} {path}");
    }
    out.push_str("ExecStart=");
    words(&mut out, &argv);
    if is_container {
        out.push_str("ExecStopPost=-");
        words(&mut out, &command::remove_container(name, index));
        // podman passes the signal on; the rest of the group is killed when the time is up.
        out.push_str("Delegate=yes\nKillMode=mixed\n");
    }
    for (name, value) in &variables {
        out.push_str("Environment=");
        word::assignment(&mut out, name, value);
        out.push('\n');
    }
    if !unit.secret_env.is_empty() && !is_container {
        let _ = writeln!(out, "EnvironmentFile={}", secrets::environment_file(name));
    }
    for (path, source) in files::secret_files(name, unit) {
        let _ = writeln!(out, "LoadCredential={}:{source}", credential_name(path));
    }
    if unit.is_tied() {
        let folders: Vec<String> = volumes::state_directories(name, index, unit).collect();
        let _ = writeln!(out, "StateDirectory={}\nStateDirectoryMode=0700", folders.join(" "));
    }
    match service.job {
        Some(job) => job_unit::restart(&mut out, name, revision, job),
        None => out.push_str("Restart=always\nRestartSec=1s\n"),
    }
    let _ = writeln!(out, "TimeoutStopSec={}", stop_timeout(unit.stop_grace));
    let _ = writeln!(out, "CPUWeight={}", cpu_weight(unit.cpu));
    let _ = writeln!(out, "MemoryMax={}", unit.memory.get());
    if service.job.is_none_or(|job| job.schedule.is_none()) {
        out.push_str("\n[Install]\nWantedBy=multi-user.target\n");
    }
    Ok(out)
}

fn words(out: &mut String, words: &[String]) {
    for (at, text) in words.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        word::argument(out, text);
    }
    out.push('\n');
}
