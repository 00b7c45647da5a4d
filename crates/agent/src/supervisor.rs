use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use icefield_api::Exit;
use icefield_spec::Millis;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::cgroup::Leftovers;
use crate::driver::NotStarted;
use crate::home::ReplicaHome;
use crate::process::{Process, kill_session};
use crate::record;
use crate::shim::{ExitRecord, Outcome, ProcessRecord, RunOrder, STARTED};
use crate::systemd::{self, UnitOrder};
use crate::watch::Watch;

/// Why there is no process.
pub(crate) type NotLaunched = NotStarted;

/// How long a supervisor may take to start its program.
const TO_START: Duration = Duration::from_secs(10);

/// How long a program may take to go after its supervisor did.
const TO_GO: Duration = Duration::from_secs(5);

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
