//! The text of the drop-in that a service of a replica gets: what depends on the node, and what the agent sees to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use icefield_emit::{cpu_weight, is_plain_path, stop_timeout, unit_argument, unit_assignment};
use icefield_spec::{Bytes, Cpu, Millis};

/// What goes into a drop-in.
#[derive(Debug, Clone, Copy)]
pub(super) struct DropIn<'a> {
    /// Whose it is.
    pub(super) mark: &'a str,
    /// The target that the replica is.
    pub(super) target: &'a str,
    pub(super) variables: &'a BTreeMap<String, String>,
    /// The file with those variables that are secrets.
    pub(super) secrets: Option<&'a Path>,
    pub(super) log: &'a Path,
    pub(super) stop_grace: Millis,
    /// Whether the agent starts it anew when it ends, and not systemd: so failures are counted, and come ever more slowly.
    pub(super) restarted_by_agent: bool,
    /// Whether it counts as active once it has done what it does.
    pub(super) stays_active: bool,
    /// Whether what it writes to its standard output goes to whom it talks to.
    pub(super) talks_to_a_socket: bool,
    pub(super) part: Part<'a>,
}

/// What is of one kind of services alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// Of `nix(…)`: the one service that makes the replica.
    Whole { program: &'a Path, arguments: &'a [String], folder: &'a Path, cpu: Cpu, memory: Bytes },
    /// Of `nixos(…)`: one of the units that do.
    Of {
        slice: &'a str,
        /// Whether its user is made by systemd for as long as it runs.
        dynamic_user: bool,
        /// Files that it sees below `/etc`: where each is.
        files: &'a BTreeMap<String, String>,
    },
}

impl DropIn<'_> {
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n\n[Unit]\nPartOf={}\n", self.mark, self.target);
        if self.restarted_by_agent {
            out.push_str("StartLimitIntervalSec=0\n");
        }
        out.push_str("\n[Service]\n");
        match self.part {
            Part::Whole { program, arguments, folder, cpu, memory } => {
                out.push_str("ExecStart=\nExecStart=");
                let program = program.to_string_lossy();
                if !is_plain_path(&program) {
                    out.push_str("/usr/bin/env ");
                }
                unit_argument(&mut out, &program);
                for argument in arguments.iter().skip(1) {
                    out.push(' ');
                    unit_argument(&mut out, argument);
                }
                let _ = writeln!(out, "\nWorkingDirectory={}", path(folder));
                let _ = writeln!(out, "CPUWeight={}\nMemoryMax={}", cpu_weight(cpu), memory.get());
            }
            Part::Of { slice, dynamic_user, files } => {
                let _ = writeln!(out, "Slice={slice}");
                if dynamic_user {
                    out.push_str("DynamicUser=yes\n");
                }
                for (file, source) in files {
                    let _ = writeln!(out, "BindReadOnlyPaths={}:{}", escaped(source), escaped(&format!("/etc/{file}")));
                }
            }
        }
        for (name, value) in self.variables {
            out.push_str("Environment=");
            unit_assignment(&mut out, name, value);
            out.push('\n');
        }
        if let Some(file) = self.secrets {
            let _ = writeln!(out, "EnvironmentFile={}", path(file));
        }
        let _ = match self.talks_to_a_socket {
            true => writeln!(out, "StandardError=append:{}", path(self.log)),
            false => writeln!(out, "StandardOutput=append:{}\nStandardError=inherit", path(self.log)),
        };
        if self.restarted_by_agent {
            out.push_str("Restart=no\n");
            if let Part::Of { .. } = self.part {
                // With the statuses that modules name there, systemd would start it anew all the same.
                out.push_str("RestartForceExitStatus=\n");
            }
        }
        if self.stays_active {
            out.push_str("RemainAfterExit=yes\n");
        }
        let _ = writeln!(out, "TimeoutStopSec={}", stop_timeout(self.stop_grace));
        out
    }
}

/// The slice that holds all units of a tree.
pub(super) fn slice(mark: &str, cpu: Cpu, memory: Bytes) -> String {
    format!("{mark}\n\n[Slice]\nCPUWeight={}\nMemoryMax={}\n", cpu_weight(cpu), memory.get())
}

/// The target that a replica is.
pub(super) fn target(mark: &str, what: &str, wants: &BTreeSet<String>) -> String {
    let wants: Vec<&str> = wants.iter().map(String::as_str).collect();
    format!("{mark}\n\n[Unit]\nDescription={what}\nDefaultDependencies=no\nWants={}\n", wants.join(" "))
}

fn path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

fn escaped(path: &str) -> String {
    path.replace('\\', "\\\\").replace(':', "\\:").replace('%', "%%").replace(' ', "\\x20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_the_node_is_written_out() {
        let variables =
            BTreeMap::from([("PORT_HTTP".to_owned(), "80".to_owned()), ("A".to_owned(), "5 % $x".to_owned())]);
        let arguments = ["web", "--port=80", "$x"].map(str::to_owned);
        let drop_in = DropIn {
            mark: "# ours",
            target: "icefield-web-0-0123456789.target",
            variables: &variables,
            secrets: Some(Path::new("/data/secrets")),
            log: Path::new("/data/log"),
            stop_grace: Millis::new(2_000),
            restarted_by_agent: true,
            stays_active: false,
            talks_to_a_socket: false,
            part: Part::Whole {
                program: Path::new("/nix/store/x/bin/web"),
                arguments: &arguments,
                folder: Path::new("/data/100%"),
                cpu: Cpu::from_millis(500),
                memory: Bytes::new(1024),
            },
        };
        insta::assert_snapshot!(drop_in.text(), @r#"
        # ours

        [Unit]
        PartOf=icefield-web-0-0123456789.target
        StartLimitIntervalSec=0

        [Service]
        ExecStart=
        ExecStart=/nix/store/x/bin/web --port=80 "$$x"
        WorkingDirectory=/data/100%%
        CPUWeight=50
        MemoryMax=1024
        Environment="A=5 %% $x"
        Environment=PORT_HTTP=80
        EnvironmentFile=/data/secrets
        StandardOutput=append:/data/log
        StandardError=inherit
        Restart=no
        TimeoutStopSec=2s
        "#);
        let files = BTreeMap::from([("web.conf".to_owned(), "/nix/store/y:z".to_owned())]);
        let of = Part::Of { slice: "icefield-web-0-0123456789.slice", dynamic_user: true, files: &files };
        assert!(DropIn { part: of, ..drop_in }.text().contains("\nRestart=no\nRestartForceExitStatus=\n"));
        let text = DropIn { part: of, restarted_by_agent: false, ..drop_in }.text();
        assert!(text.contains("DynamicUser=yes\nBindReadOnlyPaths=/nix/store/y\\:z:/etc/web.conf\n"), "{text}");
        assert!(!text.contains("Restart") && !text.contains("ExecStart") && !text.contains("MemoryMax"), "{text}");
    }
}
