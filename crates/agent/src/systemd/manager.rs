use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use super::state::UnitState;

/// How long `systemctl` may take for what does not wait for units.
const TO_ANSWER: Duration = Duration::from_secs(20);

/// Which of a machine's managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemdManager {
    /// The one of the machine, which is its first process.
    System,
    /// That of the user whom the agent runs as.
    User,
}

/// The systemd that runs services which have units of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemdConfig {
    /// Which manager.
    pub manager: SystemdManager,
    /// The folder that units are linked into: one that the manager looks into and that a restart of the machine empties.
    pub unit_dir: PathBuf,
    /// `XDG_RUNTIME_DIR` of a user's manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_dir: Option<PathBuf>,
}

impl SystemdConfig {
    /// The machine's manager, and the folder of its runtime units.
    pub fn system() -> Self {
        Self { manager: SystemdManager::System, unit_dir: "/run/systemd/system".into(), runtime_dir: None }
    }

    /// The manager of the user whose `XDG_RUNTIME_DIR` is `runtime_dir`, and the folder of its runtime units.
    pub fn user(runtime_dir: impl Into<PathBuf>) -> Self {
        let runtime_dir = runtime_dir.into();
        let unit_dir = runtime_dir.join("systemd/user");
        Self { manager: SystemdManager::User, unit_dir, runtime_dir: Some(runtime_dir) }
    }

    /// The version that the manager says it has.
    pub(super) async fn version(&self) -> Result<String, String> {
        let said = self.call(&["show", "--property=Version", "--value"], &[]).await?;
        match said.trim() {
            "" => Err("it does not say its version".into()),
            version => Ok(version.to_owned()),
        }
    }

    /// Reads the files of all units again.
    pub(super) async fn reload(&self) -> Result<(), String> {
        self.call(&["daemon-reload"], &[]).await.map(drop)
    }

    /// Has a unit started, with all that it wants; does not wait for that.
    pub(super) async fn start(&self, unit: &str) -> Result<(), String> {
        self.call(&["start", "--no-block"], &[unit]).await.map(drop)
    }

    /// Stops units, and returns when they have stopped or `patience` is over.
    pub(super) async fn stop(&self, units: &[&str], patience: Duration) -> Result<(), String> {
        match timeout(patience, self.call_unbounded(&["stop"], units)).await {
            Ok(done) => done.map(drop),
            Err(_) => Err(format!("{} did not stop within {} s", units.join(", "), patience.as_secs())),
        }
    }

    /// Has it forgotten that units have failed.
    pub(super) async fn forget_failures(&self, units: &[&str]) {
        // Of a unit that never was there, there is nothing to forget.
        let _ = self.call(&["reset-failed"], units).await;
    }

    /// How units are, in their order.
    pub(super) async fn show(&self, units: &[&str]) -> Result<Vec<UnitState>, String> {
        let property = format!("--property={}", UnitState::PROPERTIES);
        let said = self.call(&["show", &property], units).await?;
        let states = UnitState::parse(&said);
        if states.len() != units.len() {
            return Err(format!("systemctl told of {} units and not of {}", states.len(), units.len()));
        }
        Ok(states)
    }

    /// Asks units to end, without waiting for it.
    pub(crate) fn ask_to_stop(&self, units: &[&str]) {
        self.spawn(&["stop", "--no-block"], units);
    }

    /// Kills all processes of units.
    pub(crate) fn kill(&self, units: &[&str]) {
        self.spawn(&["kill", "--kill-who=all", "--signal=KILL"], units);
    }

    /// Reads the files of all units again, some time soon.
    pub(crate) fn reload_soon(&self) {
        self.spawn(&["daemon-reload"], &[]);
    }

    /// Kills, stops and forgets units, now and in this thread.
    pub(super) fn end_now(&self, units: &[&str]) {
        let run = |arguments: &[&str], units: &[&str]| drop(self.command(arguments, units).output());
        run(&["kill", "--kill-who=all", "--signal=KILL"], units);
        run(&["stop"], units);
        run(&["reset-failed"], units);
    }

    fn spawn(&self, arguments: &[&str], units: &[&str]) {
        let mut command = Command::from(self.command(arguments, units));
        if let Err(error) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            tracing::warn!(%error, "systemctl cannot be run");
        }
    }

    async fn call(&self, arguments: &[&str], units: &[&str]) -> Result<String, String> {
        match timeout(TO_ANSWER, self.call_unbounded(arguments, units)).await {
            Ok(done) => done,
            Err(_) => Err(format!("systemctl {} did not answer within {} s", arguments.join(" "), TO_ANSWER.as_secs())),
        }
    }

    async fn call_unbounded(&self, arguments: &[&str], units: &[&str]) -> Result<String, String> {
        let mut command = Command::from(self.command(arguments, units));
        command.kill_on_drop(true);
        let output = command.output().await.map_err(|error| format!("systemctl cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("systemctl {}: {}", arguments.join(" "), said.trim().replace('\n', "; ")))
    }

    fn command(&self, arguments: &[&str], units: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new("systemctl");
        command.arg(match self.manager {
            SystemdManager::System => "--system",
            SystemdManager::User => "--user",
        });
        command.args(["--no-pager", "--no-ask-password", "--quiet"]).args(arguments).arg("--").args(units);
        if let Some(folder) = &self.runtime_dir {
            command.env("XDG_RUNTIME_DIR", folder);
        }
        command.stdin(Stdio::null());
        command
    }
}
