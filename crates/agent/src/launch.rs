use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::Stdio;
use std::time::Duration;

use icefield_plan::{NodePlan, ReplicaId};
use icefield_spec::{ReplicaContext, replica_variables};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Interest};
use tokio::process::{Child, Command};

use crate::LogLimits;
use crate::cgroup::{Groups, Leftovers};
use crate::core::Incarnation;
use crate::driver::{Drivers, Launch, NotStarted};
use crate::home::{Home, ReplicaHome};
use crate::hosts;
use crate::ports;
use crate::process::{Process, kill_session};
use crate::record::{self, Keep};
use crate::shim::{ExitRecord, Outcome, ProcessRecord, RunOrder, STARTED, put_off};
use crate::volumes;

/// Why there is no process.
pub(crate) type NotLaunched = NotStarted;

/// How long a supervisor may take to start its program.
const TO_START: Duration = Duration::from_secs(10);

/// How long a program may take to go after its supervisor did.
const TO_GO: Duration = Duration::from_secs(5);

/// Prepares runs: what a supervisor needs, in the replica's folder.
pub(crate) struct Launcher {
    pub(crate) home: Home,
    pub(crate) drivers: Drivers,
    pub(crate) groups: Groups,
    pub(crate) log: LogLimits,
}

impl Launcher {
    /// Prepares the run `run` of a replica of `plan`; a singleton may run until `fence`.
    pub(crate) fn prepare(
        &self,
        plan: &NodePlan,
        id: &ReplicaId,
        incarnation: Incarnation,
        restarts: u32,
        run: u64,
        fence: u64,
    ) -> Result<RunOrder, NotStarted> {
        let planned = plan.unit(id).ok_or_else(|| NotStarted::for_good("the plan has no unit for it"))?;
        let home = self.home.replica(id);
        let endpoints = self.home.endpoints();
        let volumes = self.home.volumes_of(id);
        let context = ReplicaContext {
            cluster: &plan.cluster,
            service: &id.service,
            index: id.index,
            node: &plan.node,
            address: &incarnation.address,
            revision: &incarnation.revision,
            ports: &incarnation.ports,
            endpoints: endpoints.to_str().unwrap_or_default(),
            volumes: volumes.to_str().unwrap_or_default(),
        };
        let unit = &planned.unit;
        let variables = replica_variables(unit, &context).map_err(|error| NotStarted::for_good(error.to_string()));
        let mut variables = variables?;
        hosts::tell(&mut variables, &plan.cluster, &unit.uses);
        volumes::make(&self.home, id, unit).map_err(NotStarted::for_now)?;
        let program = self.drivers.order(&Launch { unit, variables, work: &home.work() })?;
        if let Some(port) = ports::taken(&incarnation.address, &incarnation.ports) {
            return Err(NotStarted::for_now(format!("port {port} is in use by another process")));
        }
        let groups = self.groups.create(&format!("{}-{}", id.service, id.index), unit.cpu, unit.memory);
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
            memory: unit.memory,
            program,
            groups,
            log: self.log,
            fence: unit.singleton.then_some(fence),
        };
        put(&home, &order).map_err(NotStarted::for_now)?;
        Ok(order)
    }

    /// Deletes all that a replica leaves, but for its volumes.
    pub(crate) fn remove(&self, id: &ReplicaId, order: Option<&RunOrder>) {
        if let Some(order) = order {
            Groups::remove(&order.groups);
        }
        let home = self.home.replica(id);
        if let Err(error) = fs::remove_dir_all(home.root())
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(replica = %id, %error, "its folder {} stays", home.root().display());
        }
    }
}

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
    [home.process(), home.exit(), home.start_error(), home.healthy(), home.fence()]
        .iter()
        .try_for_each(|path| record::delete(path))
        .and_then(|()| record::write(&home.run(), order, Keep::ThisBoot))
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
}

impl Watch {
    /// For the supervisor with the number `pid`; `None` if it has just ended.
    pub(crate) fn adopt(pid: u32) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            #[expect(deprecated, reason = "sound for an OwnedFd, which stays what it is; the replacement is unsafe")]
            Ok(fd) => Ok(Some(Self::Adopted(AsyncFd::with_interest(fd, Interest::READABLE)?))),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        match self {
            Self::Own(child) => child.wait().await.map(drop),
            Self::Adopted(fd) => fd.readable().await.map(drop),
        }
    }
}

/// Starts the supervisor of a prepared run.
pub(crate) async fn launch(home: &ReplicaHome, run: u64, shim: &[OsString]) -> Result<(Process, Watch), NotLaunched> {
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
pub(crate) async fn conclude(home: &ReplicaHome, order: &RunOrder, process: &Process, watch: &mut Watch) -> Outcome {
    if let Err(error) = watch.ended().await {
        tracing::error!(replica = %order.replica, %error, "lost sight of its supervisor");
    }
    let outcome = outcome(home, order, process);
    // A supervisor that could tell of the end has seen to the rest as well.
    if matches!(outcome, Outcome::Unseen { .. }) {
        sweep(order, process).await;
    }
    outcome
}

/// How a run whose supervisor has ended did end.
pub(crate) fn outcome(home: &ReplicaHome, order: &RunOrder, process: &Process) -> Outcome {
    match record::read::<ExitRecord>(&home.exit()) {
        Ok(Some(record)) if record.run == order.run => return record.outcome,
        Ok(_) => {}
        Err(error) => tracing::warn!(replica = %order.replica, %error, "cannot tell how it ended"),
    }
    let message = if process.is_of_this_boot() {
        "its supervisor was killed, and it with that"
    } else {
        "the machine was restarted"
    };
    Outcome::Unseen { message: message.into() }
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
