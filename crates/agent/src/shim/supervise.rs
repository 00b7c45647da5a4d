use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, set_child_subreaper, setsid};
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};

use super::fence::Fence;
use super::log::RotatingLog;
use super::{ExitRecord, FAILED, Outcome, ProcessRecord, RunOrder};
use crate::cgroup::Leftovers;
use crate::home::ReplicaHome;
use crate::process::{Process, RunLock, kill_descendants, signal_group};
use crate::record::{self, Keep};
use crate::wall_clock::since_1970;

/// What a supervisor writes to its standard output once the program's process is there; else it writes why not.
pub(crate) const STARTED: &str = "started";

/// How long what is left of a program may take to go once it was killed; it takes longer only if the kernel is stuck.
const LEFTOVERS: Duration = Duration::from_secs(10);

/// Runs the replica in `folder` to its end.
pub(super) fn run(folder: &Path, shim: &[OsString]) -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    match runtime.and_then(|runtime| runtime.block_on(supervise(&ReplicaHome::new(folder), shim))) {
        Ok(()) => 0,
        Err(error) => {
            say(&error.to_string());
            FAILED
        }
    }
}

async fn supervise(home: &ReplicaHome, shim: &[OsString]) -> io::Result<()> {
    // A session of its own, away from the agent's terminal; an error only says that it has one.
    let _ = setsid();
    let fail = |message: String| io::Error::other(message);
    let Some(_lock) = RunLock::take(&home.lock())? else {
        return Err(fail("the replica's last run has not ended yet".into()));
    };
    let order: RunOrder = record::read(&home.run())
        .map_err(|error| fail(error.to_string()))?
        .ok_or_else(|| fail(format!("{} is gone", home.run().display())))?;
    let _volumes = match &order.lock {
        Some(lock) => match RunLock::take(lock)? {
            None => return Err(fail(format!("its volumes are in use: another process holds {}", lock.display()))),
            held => held,
        },
        None => None,
    };
    set_child_subreaper(Some(getpid()))?;

    // A signal that is caught is one that does not end the supervisor: its end is the program's, not another.
    let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()];
    let _caught = kinds.into_iter().map(signal).collect::<io::Result<Vec<_>>>()?;
    let mut children = signal(SignalKind::child())?;

    let leftovers = Leftovers::new(&order.groups);
    let mut log = RotatingLog::new(home.log(), order.log);
    let mut fence = order.fence.map(|until| Fence::new(home.fence(), until)).transpose()?;
    if fence.as_mut().is_some_and(Fence::is_over) {
        return Err(fail("the node's lease has run out, so a singleton is not started".into()));
    }
    let (program, mut output) = spawn(home, shim)?;
    let process = Process::of(program.as_raw_nonzero().get().unsigned_abs())?;
    let record = ProcessRecord { run: order.run, process, started_at: since_1970() };
    record::write(&home.process(), &record, Keep::ThisBoot).map_err(|error| fail(error.to_string()))?;
    say(STARTED);

    let mut fenced = false;
    let status = loop {
        tokio::select! {
            status = watch(program, &mut children, &mut output, &mut log) => break status?,
            over = run_out(fence.as_mut()), if !fenced => {
                over?;
                fenced = true;
                signal_group(&record.process, Signal::KILL);
                leftovers.kill();
            }
        }
    };
    let out_of_memory = leftovers.ran_out_of_memory();
    end_leftovers(&leftovers);
    while copy(&mut output, &mut log) == Copied::Some {}
    let outcome = match std::fs::read_to_string(home.start_error()) {
        Ok(message) => Outcome::NotStarted { message },
        Err(_) if fenced => Outcome::Fenced,
        Err(_) if out_of_memory && was_killed(status) => Outcome::OutOfMemory { limit: order.memory },
        Err(_) => outcome(status),
    };
    let record = ExitRecord { run: order.run, outcome, at: since_1970() };
    let keep = if order.once { Keep::Durably } else { Keep::ThisBoot };
    record::write(&home.exit(), &record, keep).map_err(|error| fail(error.to_string()))
}

/// Returns when a singleton may run no longer; never for what is none.
async fn run_out(fence: Option<&mut Fence>) -> io::Result<()> {
    match fence {
        Some(fence) => fence.run_out().await,
        None => std::future::pending().await,
    }
}

/// Starts the stage that becomes the program, with one pipe for all that it writes.
fn spawn(home: &ReplicaHome, shim: &[OsString]) -> io::Result<(Pid, Receiver)> {
    let (output, input) = io::pipe()?;
    let child = Command::new(&shim[0])
        .args(&shim[1..])
        .arg("exec")
        .arg(home.root())
        .arg(std::process::id().to_string())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the program's process has no number"))?;
    Ok((pid, Receiver::from_owned_fd(output.into())?))
}

/// Copies what the program writes until it has ended; reaps what its descendants leave.
async fn watch(
    program: Pid,
    children: &mut tokio::signal::unix::Signal,
    output: &mut Receiver,
    log: &mut RotatingLog,
) -> io::Result<WaitStatus> {
    let mut open = true;
    loop {
        if let Some(status) = reap(program) {
            return Ok(status);
        }
        tokio::select! {
            _ = children.recv() => {}
            ready = output.readable(), if open => {
                ready?;
                open = copy(output, log) != Copied::End;
            }
        }
    }
}

/// What came of a look into the program's output.
#[derive(Debug, PartialEq, Eq)]
enum Copied {
    /// There was some; there may be more.
    Some,
    /// There is none now.
    None,
    /// There will be no more.
    End,
}

/// Copies one piece of the program's output.
fn copy(output: &mut Receiver, log: &mut RotatingLog) -> Copied {
    let mut buffer = [0; 64 << 10];
    match output.try_read(&mut buffer) {
        Ok(0) => Copied::End,
        Ok(length) => {
            log.write(&buffer[..length]);
            Copied::Some
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Copied::Some,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Copied::None,
        Err(_) => Copied::End,
    }
}

/// Takes notice of all children that have ended; the program's status if it is one of them.
fn reap(program: Pid) -> Option<WaitStatus> {
    let mut status = None;
    while let Ok(Some((pid, ended))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == program {
            status = Some(ended);
        }
    }
    status
}

/// Kills all that the program leaves behind and waits until it is gone, so that its ports and files are free.
fn end_leftovers(leftovers: &Leftovers) {
    let deadline = Instant::now() + LEFTOVERS;
    loop {
        let left = leftovers.kill();
        // All descendants are children sooner or later, so without children there is nothing to look for.
        let childless = is_childless();
        if (left == 0 && childless) || Instant::now() > deadline {
            return;
        }
        if !childless {
            kill_descendants();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Takes notice of all children that have ended; whether no others are left.
fn is_childless() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Whether the kernel's SIGKILL may be behind this end; 137 is how a shell tells of one that met its child.
fn was_killed(status: WaitStatus) -> bool {
    status.terminating_signal() == Some(9) || status.exit_status() == Some(137)
}

fn outcome(status: WaitStatus) -> Outcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Outcome::Exited { code },
        (None, Some(signal)) => Outcome::Signalled { signal },
        (None, None) => Outcome::Unseen { message: "ended in a way that is neither an exit nor a signal".into() },
    }
}

/// Tells the agent, if it still listens.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", line.replace('\n', " ")).and_then(|()| out.flush());
}
