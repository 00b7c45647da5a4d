//! A real systemd of a test's own: the manager of a user, with a folder and control groups of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use icefield_agent::SystemdConfig;

use crate::control_group::{ControlGroup, manager};

/// What a user's manager needs to be there; the machine's own units are kept from it.
const TARGETS: [&str; 8] = ["basic", "default", "exit", "paths", "shutdown", "slices", "sockets", "timers"];

/// Starts the manager: where the machine was not started by systemd, it is told that it was, and only it.
const START: &str = r#"
if [ -d /run/systemd/system ]; then exec "$MANAGER" --user --log-target=console; fi
mkdir -p /run/systemd
exec unshare --mount sh -c 'mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && exec "$MANAGER" --user --log-target=console'
"#;

pub(crate) struct Systemd {
    folder: tempfile::TempDir,
    _group: ControlGroup,
    child: Child,
}

impl Systemd {
    /// Starts one; `None`, which is told, where there is no systemd or it cannot be started by whoever runs the tests.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let program = manager(test)?;
        let folder = tempfile::tempdir().unwrap();
        let (run, own) = (folder.path().join("run"), folder.path().join("own"));
        fs::create_dir_all(run.join("systemd/user")).unwrap();
        fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(&own).unwrap();
        for target in TARGETS {
            let text = format!("[Unit]\nDescription={target}\nDefaultDependencies=no\n");
            fs::write(own.join(format!("{target}.target")), text).unwrap();
        }
        let group = ControlGroup::of(folder.path());
        let child = group
            .command(START, &folder.path().join("log"))
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", &run)
            .env("SYSTEMD_UNIT_PATH", format!("{}:{}", run.join("systemd/user").display(), own.display()))
            .env("MANAGER", program)
            .spawn()
            .unwrap();
        let systemd = Self { folder, _group: group, child };
        let begun = Instant::now();
        while systemd.ask(&["show", "--property=Version", "--value"]).is_err() {
            let log = fs::read_to_string(systemd.folder.path().join("log")).unwrap();
            assert!(begun.elapsed() < Duration::from_secs(30), "systemd does not come up: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(systemd)
    }

    pub(crate) fn config(&self) -> SystemdConfig {
        SystemdConfig::user(self.folder.path().join("run"))
    }

    /// What `systemctl` says.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("systemctl");
        command.args(["--user", "--no-pager"]).args(arguments);
        let output = command.env("XDG_RUNTIME_DIR", self.folder.path().join("run")).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// A property of a unit.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.ask(&["show", &format!("--property={name}"), "--value", "--", unit]).unwrap()
    }

    /// A path in the folder that units are linked into.
    pub(crate) fn unit(&self, name: &str) -> PathBuf {
        self.config().unit_dir.join(name)
    }

    /// All that is linked in, by name.
    pub(crate) fn units(&self) -> Vec<String> {
        let entries = fs::read_dir(self.config().unit_dir).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
