use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Failure;

const SCRIPT: &str = include_str!("../../../agent/tests/host/host.sh");

/// A host of its own: a store, a profile, a boot loader, and systems.
pub(super) struct Host {
    root: TempDir,
    environment: BTreeMap<String, String>,
}

impl Host {
    /// A host that runs the first of these systems.
    pub(super) fn with(systems: &[&str]) -> Result<Self, Failure> {
        let root = tempfile::tempdir()?;
        let laid_out = Command::new("sh").args(["-c", SCRIPT, "host.sh"]).arg(root.path()).args(systems).output()?;
        if !laid_out.status.success() {
            return Err(format!("no host: {}", String::from_utf8_lossy(&laid_out.stderr)).into());
        }
        let told = String::from_utf8(laid_out.stdout)?;
        let pairs = told.lines().filter_map(|line| line.split_once('='));
        let mut environment: BTreeMap<String, String> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        environment.insert("PATH".into(), format!("{}/bin:{}", root.path().display(), std::env::var("PATH")?));
        fs::create_dir_all(root.path().join("data"))?;
        Ok(Self { root, environment })
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    pub(super) fn system(&self, version: &str) -> Result<PathBuf, Failure> {
        Ok(fs::canonicalize(self.path("nix/systems").join(version))?)
    }

    /// What the profile names, what runs, and what the machine starts with the next time.
    pub(super) fn links(&self) -> Result<[PathBuf; 3], Failure> {
        let read = |name: &str| fs::canonicalize(self.path(name)).map_err(|error| format!("{name}: {error}"));
        Ok([read("profiles/system")?, read("run/current-system")?, read("boot/default")?])
    }

    /// Why what is there is not whole: it must be one of these systems, all of which is in the store as it was built.
    pub(super) fn fault(&self, systems: &[&Path]) -> Result<Option<String>, Failure> {
        let links = match self.links() {
            Ok(links) => links,
            Err(error) => return Ok(Some(error.to_string())),
        };
        if let Some(other) = links.iter().find(|link| !systems.contains(&link.as_path())) {
            return Ok(Some(format!("{} is neither the old nor the new system", other.display())));
        }
        for path in &links[..2] {
            let listed = self.nix(&["--query", "--requisites"], &[path.as_os_str().to_string_lossy().into_owned()])?;
            let closure: Vec<String> = listed.lines().map(str::to_owned).collect();
            if let Err(error) = self.nix(&["--verify-path"], &closure) {
                return Ok(Some(format!("{}: {error}", path.display())));
            }
        }
        Ok(None)
    }

    fn nix(&self, arguments: &[&str], paths: &[String]) -> Result<String, Failure> {
        let output = Command::new("nix-store").args(arguments).args(paths).envs(&self.environment).output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }

    /// The machine loses power and starts again: with what the boot loader names, and nothing of what ran.
    pub(super) fn lose_power(&self) -> Result<(), Failure> {
        self.end_commands();
        fs::remove_file(self.path("agent.pid"))?;
        let status = Command::new(self.path("bin/reboot")).envs(&self.environment).status()?;
        if status.success() { Ok(()) } else { Err("the machine does not start again".into()) }
    }

    /// Ends what an agent has started and that outlived it.
    fn end_commands(&self) {
        let mark = format!("NIX_HOST={}", self.root().display());
        for _ in 0..50 {
            let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
            let own = entries.filter(|entry| {
                let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
            });
            let pids: Vec<i32> = own.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
            if pids.is_empty() {
                return;
            }
            for pid in pids.into_iter().filter_map(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}
