use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icefield_nix::Sources;
use icefield_spec::StorePath;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use super::attempt::{Action, Before, Facts};
use super::clock::Clock;
use super::orphans;
use crate::boottime;
use crate::exchange::Exchange;

/// How much of what a command says is kept for the message, in bytes.
const SAID: usize = 400;

/// How many paths a command is given at most.
const AT_ONCE: usize = 500;

/// What of a system asks for a restart of the machine if it is not as the machine was started with.
const OF_THE_KERNEL: [&str; 3] = ["kernel", "initrd", "kernel-modules"];

/// How an agent changes the NixOS system of its node.
#[derive(Debug, Clone)]
pub struct SystemConfig {
    /// The system profile: `/nix/var/nix/profiles/system`.
    pub profile: PathBuf,
    /// Where the links `current-system` and `booted-system` are: `/run`.
    pub run: PathBuf,
    /// The environment of the commands; `PATH` must lead to `nix-store` and `nix-env`.
    pub environment: BTreeMap<String, String>,
    /// Where systems are fetched from, and whose signatures are trusted.
    pub sources: Sources,
    /// What `switch-to-configuration` is started with, so that it goes on when the agent is restarted by it and still has the
    /// standard input and output that it is given; may be empty.
    pub switch: Vec<String>,
    /// The command that restarts the machine.
    pub reboot: Vec<String>,
    /// The file that names the present start of the machine: `/proc/sys/kernel/random/boot_id`.
    pub boot_id: PathBuf,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Host {
    config: SystemConfig,
    /// Keeps the fetched system in the store until the profile does.
    root: PathBuf,
    /// What gets systems from other nodes.
    pub(super) exchange: Option<Arc<Exchange>>,
    /// The standard input of every command, by which those are found that outlived an agent.
    input: PathBuf,
    /// That of a switch which is to outlive an agent.
    input_apart: PathBuf,
    /// What the last switch wrote. It may be at work when the agent has ended, so nobody may have to read it meanwhile.
    said: PathBuf,
}

impl Host {
    /// Takes the machine over, with the agent's folder `data` for its own files: what earlier agents have begun is ended, but
    /// for a switch that runs apart.
    pub(super) fn new(config: SystemConfig, data: &Path) -> io::Result<Self> {
        let file = |name: &str| {
            let path = data.join(name);
            File::options().create(true).append(true).open(&path)?;
            fs::canonicalize(path)
        };
        let (input, input_apart) = (file("activation-input")?, file("activation-input-apart")?);
        orphans::end(&input);
        let (root, said) = (data.join("activation-root"), data.join("activation-log"));
        Ok(Self { config, root, exchange: None, input, input_apart, said })
    }

    /// Whether a switch is at work that runs apart from the agent.
    pub(super) fn is_switching(&self) -> bool {
        orphans::any(&self.input_apart)
    }

    /// Ends a switch that runs apart.
    pub(super) fn end_switch(&self) {
        orphans::end(&self.input_apart);
    }

    pub(super) fn clock(&self) -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let boot = fs::read_to_string(&self.config.boot_id).unwrap_or_default();
        Clock {
            wall: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            boot: boot.trim().to_owned(),
            uptime: boottime::now(),
        }
    }

    /// What is true now; `wanted` is what may need a restart. The health of replicas is not known here.
    pub(super) fn facts(&self, wanted: Option<&StorePath>) -> Facts {
        let booted = self.config.run.join("booted-system");
        Facts {
            profile: self.profile(),
            running: leads_to(&self.config.run.join("current-system")),
            booted: leads_to(&booted),
            needs_restart: wanted.is_some_and(|wanted| booted.exists() && differs(&booted, wanted.as_ref())),
            healthy: Default::default(),
        }
    }

    fn profile(&self) -> Option<Before> {
        let link = fs::read_link(&self.config.profile).ok()?;
        let number = link.file_name()?.to_str()?.rsplit_once("-link")?.0.rsplit_once('-')?.1.parse().ok();
        Some(Before { system: leads_to(&self.config.profile)?, number })
    }

    /// Does it. `limit` is for each command.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) async fn carry_out(&self, action: Action, limit: Duration) -> Result<(), String> {
        match action {
            Action::Fetch(path) => self.fetch(&path, limit).await,
            Action::Verify(path) => self.verify(&path, limit).await,
            Action::SetProfile(path) => self.set(&path, limit).await,
            Action::RestoreProfile(before) => self.restore(&before, limit).await,
            Action::Switch(path) => self.switch(&path, "switch", limit).await,
            Action::Boot(path) => self.switch(&path, "boot", limit).await,
            Action::Reboot => self.run(&self.config.reboot, limit).await.map(drop),
        }
    }

    /// Fetches a system, from other nodes if that can be.
    async fn fetch(&self, path: &StorePath, limit: Duration) -> Result<(), String> {
        if !self.fetch_from_others(path, limit).await {
            self.realise(path, &self.config.sources, limit).await?;
        }
        if let Some(exchange) = &self.exchange {
            exchange.close(path);
        }
        if !Path::new(path.as_str()).join("bin/switch-to-configuration").exists() {
            return Err(format!("{path} is no NixOS system: it has no bin/switch-to-configuration"));
        }
        Ok(())
    }

    /// Whether a system that was not there has come from other nodes.
    async fn fetch_from_others(&self, path: &StorePath, limit: Duration) -> bool {
        let Some(exchange) = self.exchange.as_ref().filter(|_| !Path::new(path.as_str()).exists()) else {
            return false;
        };
        let Some(lane) = exchange.open(path).await else { return false };
        let fetched = self.realise(path, lane.sources(), limit).await;
        if let Err(why) = &fetched {
            tracing::warn!(%path, "not got by way of other nodes, so without them: {why}");
        }
        for complaint in lane.complaints() {
            tracing::warn!(%path, "another node was passed over: {complaint}");
        }
        fetched.is_ok()
    }

    async fn realise(&self, path: &StorePath, sources: &Sources, limit: Duration) -> Result<(), String> {
        let mut command = words(&["nix-store", "--realise", path.as_str()]);
        command.extend(["--add-root".into(), self.root.to_string_lossy().into_owned(), "--indirect".into()]);
        command.extend(sources.options());
        self.run(&command, limit).await.map(drop)
    }

    async fn verify(&self, path: &StorePath, limit: Duration) -> Result<(), String> {
        let listed = self.run(&words(&["nix-store", "--query", "--requisites", path.as_str()]), limit).await?;
        let closure: Vec<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
        for some in closure.chunks(AT_ONCE) {
            self.run(&[words(&["nix-store", "--verify-path"]), words(some)].concat(), limit).await?;
        }
        Ok(())
    }

    async fn set(&self, path: &StorePath, limit: Duration) -> Result<(), String> {
        let profile = self.config.profile.to_string_lossy();
        self.run(&words(&["nix-env", "--profile", &profile, "--set", path.as_str()]), limit).await.map(drop)
    }

    async fn restore(&self, before: &Before, limit: Duration) -> Result<(), String> {
        if self.profile().is_some_and(|profile| profile.system == before.system) {
            return Ok(());
        }
        let profile = self.config.profile.to_string_lossy();
        if let Some(number) = before.number {
            let number = number.to_string();
            let command = words(&["nix-env", "--profile", &profile, "--switch-generation", &number]);
            if self.run(&command, limit).await.is_ok()
                && self.profile().is_some_and(|profile| profile.system == before.system)
            {
                return Ok(());
            }
        }
        // Its number may have been deleted.
        self.set(&before.system, limit).await
    }

    async fn switch(&self, path: &StorePath, how: &str, limit: Duration) -> Result<(), String> {
        let mut command = self.config.switch.clone();
        command.extend([format!("{path}/bin/switch-to-configuration"), how.into()]);
        let input = if self.config.switch.is_empty() { &self.input } else { &self.input_apart };
        let unwritable = |error: io::Error| format!("cannot write {}: {error}", self.said.display());
        let said = File::create(&self.said).map_err(unwritable)?;
        let to = (said.try_clone().map_err(unwritable)?.into(), said.into());
        let output = self.output(&command, input, to, limit).await?;
        judge(&command, output.status, &fs::read(&self.said).unwrap_or_default())
    }

    /// What a command writes. After `limit` it is killed with all it started.
    pub(super) async fn run(&self, command: &[String], limit: Duration) -> Result<String, String> {
        let output = self.output(command, &self.input, (Stdio::piped(), Stdio::piped()), limit).await?;
        judge(command, output.status, &output.stderr)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits for a command whose standard input is the file `input`, and that writes `to`: its output and its errors.
    async fn output(
        &self,
        command: &[String],
        input: &Path,
        to: (Stdio, Stdio),
        limit: Duration,
    ) -> Result<Output, String> {
        let (program, arguments) = command.split_first().ok_or("the command is empty")?;
        let name = name_of(command);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => format!("{name} is not there"),
            _ => format!("{name}: {error}"),
        };
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&self.config.environment)
            .stdin(Stdio::from(File::open(input).map_err(failed)?))
            .stdout(to.0)
            .stderr(to.1)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let Ok(output) = tokio::time::timeout(limit, child.wait_with_output()).await else {
            if let Some(group) = group {
                // The child has not been waited for, so the number is still its own.
                let _ = kill_process_group(group, Signal::KILL);
            }
            orphans::end(input);
            return Err(format!("{name} took longer than {} ms", limit.as_millis()));
        };
        output.map_err(failed)
    }
}

/// What a command is called in messages.
fn name_of(command: &[String]) -> String {
    let program = command.first().map_or("", String::as_str);
    Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy()).into_owned()
}

/// Whether a command did well, by its end; where it did not, the last line that it `said` tells why.
fn judge(command: &[String], status: ExitStatus, said: &[u8]) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(said);
    let last = said.trim().lines().next_back().unwrap_or_default();
    let last: String = last.chars().take(SAID).collect();
    let colon = if last.is_empty() { "" } else { ": " };
    Err(format!("{} ended with {status}{colon}{last}", name_of(command)))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The store path that a link leads to in the end.
fn leads_to(link: &Path) -> Option<StorePath> {
    StorePath::new(fs::canonicalize(link).ok()?.to_str()?).ok()
}

/// Whether what a machine was started with differs from what `wanted` starts it with.
fn differs(booted: &Path, wanted: &Path) -> bool {
    let target = |system: &Path, part: &str| fs::canonicalize(system.join(part)).ok();
    let parameters = |system: &Path| fs::read(system.join("kernel-params")).ok();
    OF_THE_KERNEL.iter().any(|part| target(booted, part) != target(wanted, part))
        || parameters(booted) != parameters(wanted)
}
