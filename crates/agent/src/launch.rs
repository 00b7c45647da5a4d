use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use icefield_api::{Exit, SecretValue};
use icefield_plan::{NodePlan, ReplicaId};
use icefield_spec::{Millis, Name, ReplicaContext, Unit, replica_variables};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Interest};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::LogLimits;
use crate::cgroup::{Groups, Leftovers};
use crate::core::{Incarnation, drain};
use crate::driver::{Drivers, Launch, NotStarted};
use crate::files::{self, Rendered, Sources};
use crate::home::{Home, ReplicaHome};
use crate::past;
use crate::ports;
use crate::private;
use crate::process::{Process, kill_session};
use crate::record::{self, Keep};
use crate::secrets::SecretStore;
use crate::shim::{ExitRecord, Outcome, ProcessRecord, RunOrder, STARTED, SecretVariables, put_off};
use crate::systemd::{self, Systemd, UnitOrder, UnitReplica, UnitWatch};
use crate::volumes;

/// Why there is no process.
pub(crate) type NotLaunched = NotStarted;

/// How long a supervisor may take to start its program.
const TO_START: Duration = Duration::from_secs(10);

/// How long a program may take to go after its supervisor did.
const TO_GO: Duration = Duration::from_secs(5);

/// What sets one run of a replica apart from its others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// The number of the run.
    pub(crate) run: u64,
    /// How often the replica was started anew before.
    pub(crate) restarts: u32,
    /// Until when it may run if it is a singleton.
    pub(crate) fence: u64,
}

/// Prepares runs: what a supervisor needs, in the replica's folder.
pub(crate) struct Launcher {
    pub(crate) home: Home,
    pub(crate) drivers: Drivers,
    pub(crate) groups: Groups,
    pub(crate) log: LogLimits,
    /// Whether secrets may be kept on a disk if they cannot be in memory.
    pub(crate) secrets_on_disk: bool,
    /// What runs replicas as units, if the agent was told of it and it is there; else why it is not.
    pub(crate) systemd: Result<Option<Systemd>, String>,
}

impl Launcher {
    /// Prepares a run of a replica of `plan` with its secrets.
    pub(crate) fn prepare(
        &self,
        plan: &NodePlan,
        id: &ReplicaId,
        incarnation: Incarnation,
        secrets: &SecretStore,
        turn: Turn,
    ) -> Result<RunOrder, NotStarted> {
        let Turn { run, restarts, fence } = turn;
        let planned = plan.unit(id).ok_or_else(|| NotStarted::for_good("the plan has no unit for it"))?;
        let home = self.home.replica(id);
        let unit = &planned.unit;
        let folders = Folders::of(&self.home, id, unit);
        let context = folders.context(plan, id, &incarnation);
        let variables = replica_variables(unit, &context).map_err(|error| NotStarted::for_good(error.to_string()));
        let variables = variables?;
        let values = secrets.of(unit).map_err(NotStarted::for_now)?;
        let sources = Sources { secrets: &values, endpoints: files::endpoints(&self.home, unit) };
        let files = files::render(unit, &context, &sources).map_err(NotStarted::for_now)?;
        volumes::make(&self.home, id, unit).map_err(NotStarted::for_now)?;
        let work = home.work();
        let launch = Launch { unit, system: &plan.system, variables: variables.clone(), work: &work };
        let program = self.drivers.order(&launch)?;
        if let Some(port) = ports::taken(&incarnation.address, &incarnation.ports) {
            return Err(NotStarted::for_now(format!("port {port} is in use by another process")));
        }
        let secret = secret_variables(&self.home, id, unit, &values).map_err(NotStarted::for_now)?;
        let units = self.units(&UnitReplica {
            plan,
            id,
            incarnation: &incarnation,
            unit,
            home: &home,
            program: &program,
            variables: &variables,
            secrets: secret.as_ref().map(|_| self.home.private_of(id).join("variables.env")).as_deref(),
        })?;
        let groups = match &units {
            // Its units say what its limits are.
            Some(_) => Ok(Vec::new()),
            None => self.groups.create(&format!("{}-{}", id.service, id.index), unit.cpu, unit.memory),
        };
        let groups = groups.unwrap_or_else(|error| {
            tracing::warn!(replica = %id, %error, "its limits are not enforced");
            Vec::new()
        });
        let order = RunOrder {
            run,
            replica: id.clone(),
            incarnation,
            restarts,
            stop_grace: unit.stop_grace,
            drain: drain(unit),
            memory: unit.memory,
            program,
            once: unit.once,
            units,
            mounts: volumes::mounts(&self.home, id, unit),
            lock: unit.is_tied().then(|| self.home.volume_lock(id, unit.once)),
            secret: secret.as_ref().map(|(secret, _)| secret.clone()),
            groups,
            log: self.log,
            fence: unit.is_singleton().then_some(fence),
        };
        put(&home, &order).map_err(NotStarted::for_now)?;
        if secret.is_some() || files::hold_secrets(unit) {
            private::open(&self.home, self.secrets_on_disk).map_err(NotStarted::for_now)?;
        }
        self.put_files(id, &files).map_err(NotStarted::for_now)?;
        if let Some((secret, variables)) = secret {
            let folder = DirBuilder::new().recursive(true).mode(0o700).create(self.home.private_of(id));
            folder.map_err(|error| NotStarted::for_now(format!("its secret variables cannot be kept: {error}")))?;
            let written = match order.units.as_ref().and_then(|units| units.secrets.as_ref()) {
                Some(file) => write_environment(file, &variables).map_err(|error| error.to_string()),
                None => record::write(&secret.file, &variables, Keep::ThisBoot).map_err(|error| error.to_string()),
            };
            written.map_err(NotStarted::for_now)?;
        }
        Ok(order)
    }

    /// The units that a replica is, if systemd runs it here.
    fn units(&self, replica: &UnitReplica<'_>) -> Result<Option<UnitOrder>, NotStarted> {
        let systemd = self.systemd.as_ref().ok().and_then(Option::as_ref);
        systemd.filter(|systemd| systemd.runs(replica.unit)).map(|systemd| systemd.order(replica)).transpose()
    }

    /// The files of a running replica as they are to be now.
    pub(crate) fn render(
        &self,
        plan: &NodePlan,
        id: &ReplicaId,
        incarnation: &Incarnation,
        secrets: &SecretStore,
    ) -> Result<Vec<Rendered>, String> {
        let unit = &plan.unit(id).ok_or("the plan has no unit for it")?.unit;
        let folders = Folders::of(&self.home, id, unit);
        let values = secrets.of(unit)?;
        let sources = Sources { secrets: &values, endpoints: files::endpoints(&self.home, unit) };
        files::render(unit, &folders.context(plan, id, incarnation), &sources)
    }

    /// Writes the files of a replica that does not run; what others it had goes.
    fn put_files(&self, id: &ReplicaId, files: &[Rendered]) -> Result<(), String> {
        for folder in [self.home.replica(id).files(), self.home.private_of(id)] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("cannot clear {}: {error}", folder.display()));
                }
                _ => {}
            }
        }
        files.iter().try_for_each(Rendered::write)
    }

    /// Deletes all that a replica leaves, but for its volumes and for what the last attempts of a job wrote.
    pub(crate) fn remove(&self, id: &ReplicaId, order: Option<&RunOrder>) {
        if let Some(order) = order {
            Groups::remove(&order.groups);
            if let Some(units) = &order.units {
                units.remove();
                units.manager.reload_soon();
            }
        }
        let home = self.home.replica(id);
        let private = self.home.private_of(id);
        let mut folders = vec![private.as_path()];
        if order.is_some_and(|order| order.once) {
            past::keep(&self.home, id);
        } else {
            folders.push(home.root());
        }
        for folder in folders {
            if let Err(error) = fs::remove_dir_all(folder)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(replica = %id, %error, "its folder {} stays", folder.display());
            }
        }
    }
}

/// The folders that a replica is told of.
struct Folders {
    endpoints: PathBuf,
    volumes: PathBuf,
    files: PathBuf,
}

impl Folders {
    fn of(home: &Home, id: &ReplicaId, unit: &Unit) -> Self {
        let files = match files::hold_secrets(unit) {
            true => home.private_of(id).join("files"),
            false => home.replica(id).files(),
        };
        Self { endpoints: home.endpoints(), volumes: home.volumes_of(id, unit.once), files }
    }

    fn context<'a>(
        &'a self,
        plan: &'a NodePlan,
        id: &'a ReplicaId,
        incarnation: &'a Incarnation,
    ) -> ReplicaContext<'a> {
        ReplicaContext {
            cluster: &plan.cluster,
            service: &id.service,
            index: id.index,
            node: &plan.node,
            address: &incarnation.address,
            revision: &incarnation.revision,
            ports: &incarnation.ports,
            endpoints: self.endpoints.to_str().unwrap_or_default(),
            volumes: self.volumes.to_str().unwrap_or_default(),
            files: self.files.to_str().unwrap_or_default(),
            credentials: None,
        }
    }
}

/// The variables of a replica that are secrets, and their values.
type Secret = (SecretVariables, BTreeMap<String, SecretText>);

fn secret_variables(
    home: &Home,
    id: &ReplicaId,
    unit: &Unit,
    values: &BTreeMap<Name, SecretValue>,
) -> Result<Option<Secret>, String> {
    if unit.secret_env.is_empty() {
        return Ok(None);
    }
    let value = |(variable, secret): (&String, &Name)| {
        let value = values.get(secret).and_then(SecretValue::text).ok_or_else(|| {
            format!("the secret {secret} is no text, so it cannot be a variable; give it to the program as a file")
        })?;
        Ok((variable.clone(), SecretText(Zeroizing::new(value.to_owned()))))
    };
    let variables = unit.secret_env.iter().map(value).collect::<Result<BTreeMap<_, _>, String>>()?;
    let file = home.private_of(id).join("variables.json");
    Ok(Some((SecretVariables { names: variables.keys().cloned().collect(), file }, variables)))
}

/// Writes variables into a file as systemd reads them.
fn write_environment(path: &Path, variables: &BTreeMap<String, SecretText>) -> io::Result<()> {
    let mut text = Zeroizing::new(String::new());
    for (name, value) in variables {
        text.push_str(name);
        text.push_str("=\"");
        for character in value.0.chars() {
            if matches!(character, '"' | '\\' | '$' | '`') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push_str("\"\n");
    }
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// A text that is written and not shown.
#[derive(Serialize)]
#[serde(transparent)]
struct SecretText(Zeroizing<String>);

/// Writes the order, and clears what tells of the run before.
fn put(home: &ReplicaHome, order: &RunOrder) -> Result<(), String> {
    let work = home.work();
    let mut folder = DirBuilder::new();
    // Records hold environments, and those hold secrets.
    folder
        .recursive(true)
        .mode(0o700)
        .create(&work)
        .map_err(|error| format!("cannot make {}: {error}", work.display()))?;
    // What runs once must not begin again because the machine forgot that it did.
    let keep = if order.once { Keep::Durably } else { Keep::ThisBoot };
    [home.process(), home.exit(), home.start_error(), home.healthy(), home.fence()]
        .iter()
        .try_for_each(|path| record::delete(path))
        .and_then(|()| record::write(&home.run(), order, keep))
        .map_err(|error| error.to_string())?;
    match order.fence {
        Some(until) => put_off(&home.fence(), until).map_err(|error| format!("cannot fence it: {error}")),
        None => Ok(()),
    }
}

/// Tells when a supervisor ends.
pub(crate) enum Watch {
    /// One that this agent started, and so must take notice of.
    Own(Child),
    /// One that an earlier agent started.
    Adopted(AsyncFd<std::os::fd::OwnedFd>),
    /// There is none: systemd has that part.
    Units(UnitWatch),
}

impl Watch {
    /// For the supervisor with the number `pid`; `None` if it has just ended.
    pub(crate) fn adopt(pid: u32) -> io::Result<Option<Self>> {
        Ok(pidfd(pid)?.map(Self::Adopted))
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        match self {
            Self::Own(child) => child.wait().await.map(drop),
            Self::Adopted(fd) => fd.readable().await.map(drop),
            Self::Units(units) => units.ended().await,
        }
    }
}

/// What becomes readable when the process `pid` ends; `None` if it has just ended.
pub(crate) fn pidfd(pid: u32) -> io::Result<Option<AsyncFd<std::os::fd::OwnedFd>>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        #[expect(deprecated, reason = "sound for an OwnedFd, which stays what it is; the replacement is unsafe")]
        Ok(fd) => Ok(Some(AsyncFd::with_interest(fd, Interest::READABLE)?)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Starts a prepared run: its units, in place of those of the run `before`, or its supervisor.
pub(crate) async fn launch(
    home: &ReplicaHome,
    order: &RunOrder,
    before: Option<&UnitOrder>,
    shim: &[OsString],
) -> Result<(Process, Watch), NotLaunched> {
    match &order.units {
        Some(units) => systemd::launch(home, order, units, before).await,
        None => launch_supervisor(home, order.run, shim).await,
    }
}

async fn launch_supervisor(home: &ReplicaHome, run: u64, shim: &[OsString]) -> Result<(Process, Watch), NotLaunched> {
    let fail = |message: String| NotLaunched::for_now(format!("cannot start a supervisor: {message}"));
    let (program, arguments) = shim.split_first().ok_or_else(|| fail("its command is empty".into()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .arg("supervise")
        .arg(home.root())
        .args(shim)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| fail(format!("{}: {error}", program.display())))?;
    let said = match child.stdout.take() {
        Some(output) => tokio::time::timeout(TO_START, first_line(output)).await,
        None => Ok(String::new()),
    };
    match said.as_deref() {
        Ok(STARTED) => {}
        Ok("") => return Err(fail("it ended without a word".into())),
        Ok(said) => return Err(fail(said.to_owned())),
        Err(_) => {
            let _ = child.kill().await;
            return Err(fail("it took too long".into()));
        }
    }
    match record::read::<ProcessRecord>(&home.process()) {
        Ok(Some(record)) if record.run == run => Ok((record.process, Watch::Own(child))),
        other => {
            let _ = child.kill().await;
            let reason =
                other.err().map_or_else(|| "it left no record of its process".into(), |error| error.to_string());
            Err(fail(reason))
        }
    }
}

async fn first_line(output: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut line = String::new();
    // Whatever went wrong, it did not say that it started.
    let _ = BufReader::new(output.take(4096)).read_line(&mut line).await;
    line.trim_end().to_owned()
}

/// Waits for the end of a run, and for all of its processes to be gone.
pub(crate) async fn conclude(
    home: &ReplicaHome,
    order: &RunOrder,
    process: &Process,
    watch: &mut Watch,
) -> (Outcome, Exit) {
    if let Some(units) = &order.units {
        return systemd::conclude(home, order, units, watch).await;
    }
    if let Err(error) = watch.ended().await {
        tracing::error!(replica = %order.replica, %error, "lost sight of its supervisor");
    }
    let outcome = outcome(home, order, process);
    // A supervisor that could tell of the end has seen to the rest as well.
    if matches!(outcome.0, Outcome::Unseen { .. }) {
        sweep(order, process).await;
    }
    outcome
}

/// How a run whose supervisor has ended did end.
pub(crate) fn outcome(home: &ReplicaHome, order: &RunOrder, process: &Process) -> (Outcome, Exit) {
    let started = record::read::<ProcessRecord>(&home.process()).ok().flatten().map(|record| record.started_at);
    match record::read::<ExitRecord>(&home.exit()) {
        Ok(Some(record)) if record.run == order.run => {
            let took = started.map_or(0, |started| record.at.saturating_sub(started));
            let exit = Exit { code: record.outcome.code(), took: Millis::new(took.min(Millis::MAX.get())) };
            return (record.outcome, exit);
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(replica = %order.replica, %error, "cannot tell how it ended"),
    }
    let message = if process.is_of_this_boot() {
        "its supervisor was killed, and it with that"
    } else {
        "the machine was restarted"
    };
    (Outcome::Unseen { message: message.into() }, Exit { code: None, took: Millis::default() })
}

/// Kills what a supervisor that was killed itself could not.
pub(crate) async fn sweep(order: &RunOrder, process: &Process) {
    let leftovers = Leftovers::new(&order.groups);
    let started = tokio::time::Instant::now();
    while process.is_of_this_boot() && kill_session(process) + leftovers.kill() > 0 {
        if started.elapsed() > TO_GO {
            tracing::error!(replica = %order.replica, "some of its processes do not end though they were killed");
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
