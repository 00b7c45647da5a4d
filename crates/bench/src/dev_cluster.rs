use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use icefield_api::{Client, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Common, Failure};

/// A dev cluster with a home of its own; it ends when this value does.
pub(crate) struct DevCluster {
    binary: PathBuf,
    home: TempDir,
    /// What its commands find in their environment besides.
    variables: Vec<(String, String)>,
    /// Its client.
    pub(crate) client: Client,
    /// How long its start took: from the command to all healthy.
    pub(crate) start: Duration,
}

/// How long any wait of a measurement may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl DevCluster {
    /// Starts the example `name` and waits until all is healthy.
    pub(crate) fn start(common: &Common, name: &str) -> Result<Self, Failure> {
        Self::of(common, &common.examples.join(name))
    }

    /// The same with the file or folder at `path`.
    pub(crate) fn of(common: &Common, path: &Path) -> Result<Self, Failure> {
        Self::with(common, path, Vec::new())
    }

    /// The same with some variables in the environment of every command.
    pub(crate) fn with(common: &Common, path: &Path, variables: Vec<(String, String)>) -> Result<Self, Failure> {
        let binary = binary(common)?;
        let home = tempfile::tempdir()?;
        let began = Instant::now();
        let mut cluster = Self { binary, home, variables, client: Client::new([]), start: Duration::ZERO };
        cluster.run(&["dev".as_ref(), path.as_os_str(), "--detach".as_ref()])?;
        cluster.start = began.elapsed();
        let status = cluster.run(&["status".as_ref(), "--json".as_ref()])?;
        let status: Value = serde_json::from_slice(&status.stdout)?;
        let servers = status["servers"].as_array().ok_or("the status names no servers")?;
        cluster.client = Client::new(servers.iter().filter_map(|server| server["api"].as_str()).map(str::to_owned));
        Ok(cluster)
    }

    /// Runs `icefield` with these arguments against this cluster.
    pub(crate) fn run(&self, arguments: &[&std::ffi::OsStr]) -> Result<Output, Failure> {
        let output = Command::new(&self.binary)
            .args(arguments)
            .env("ICEFIELD_HOME", self.home.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(output);
        }
        Err(format!("icefield {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    /// What `dev.json` says of the processes.
    pub(crate) fn processes(&self) -> Result<Value, Failure> {
        for entry in std::fs::read_dir(self.home.path().join("dev"))? {
            let file = entry?.path().join("dev.json");
            if file.exists() {
                return Ok(serde_json::from_slice(&std::fs::read(file)?)?);
            }
        }
        Err("the dev cluster says nowhere what runs".into())
    }

    /// Waits until `condition` holds of the status, and gives that.
    pub(crate) async fn until(&self, condition: impl Fn(&Status) -> bool) -> Result<Status, Failure> {
        let began = Instant::now();
        let mut seen = None;
        while began.elapsed() < PATIENCE {
            // Errors pass: servers are killed in some measurements.
            let Ok(status) = self.client.status(seen, Duration::from_secs(1)).await else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            seen = Some(status.index);
            if condition(&status) {
                return Ok(status);
            }
        }
        Err("waited for a minute in vain".into())
    }
}

impl Drop for DevCluster {
    fn drop(&mut self) {
        // There is nobody to tell, and the next line of output will show it.
        let _ = self.run(&["dev".as_ref(), "--stop".as_ref()]);
    }
}

/// Kills a process as a pulled plug would.
pub(crate) fn kill(pid: u32) -> Result<(), Failure> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or("no process has the number 0")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// Whether every service has all its replicas healthy.
pub(crate) fn all_healthy(status: &Status) -> bool {
    status.services.iter().all(|service| service.healthy == service.desired)
}

/// The binary to measure.
pub(crate) fn binary(common: &Common) -> Result<PathBuf, Failure> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("icefield"));
    let binary = common.icefield.clone().or_else(beside).ok_or("where is the icefield binary? --icefield PATH")?;
    if Path::exists(&binary) {
        return Ok(binary);
    }
    Err(format!("{} is not there; `cargo build --release` makes it", binary.display()).into())
}
