use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// A process of a dev cluster, started anew whenever it ends, as an init system would.
#[derive(Debug)]
pub(super) struct Supervised {
    /// Its process now.
    pub(super) pid: watch::Receiver<Option<u32>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What to run and how.
#[derive(Debug, Clone)]
pub(super) struct ProcessPlan {
    /// What it is, for people: `"server s1"`.
    pub(super) title: String,
    /// The arguments after the binary's name.
    pub(super) arguments: Vec<OsString>,
    /// Where its output goes.
    pub(super) log: PathBuf,
    /// While this file is there, it is not started.
    pub(super) unplugged: Option<PathBuf>,
    /// What ends it in good order.
    pub(super) end: Signal,
    /// How long it may take for that.
    pub(super) patience: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A process that ran for so long has started well.
const STEADY: Duration = Duration::from_secs(5);
/// How often to look whether a pulled plug is in again.
const PLUG_CHECK: Duration = Duration::from_millis(50);
/// A log that is larger is started anew with its process.
const MAX_LOG: u64 = 16 << 20;

impl Supervised {
    /// Starts it; `notes` is told when it ends by itself.
    pub(super) fn start(plan: ProcessPlan, notes: mpsc::UnboundedSender<String>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (pid_sender, pid) = watch::channel(None);
        let task = tokio::spawn(supervise(plan, pid_sender, stopped, notes));
        Self { pid, stop, task }
    }

    /// Ends it in good order, or by force when its time is over.
    pub(super) async fn stop(self) {
        // An error means that the task has ended already.
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

async fn supervise(
    plan: ProcessPlan,
    pid: watch::Sender<Option<u32>>,
    mut stop: watch::Receiver<bool>,
    notes: mpsc::UnboundedSender<String>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        while plan.unplugged.as_ref().is_some_and(|marker| marker.exists()) {
            tokio::select! {
                () = tokio::time::sleep(PLUG_CHECK) => {}
                _ = stop.changed() => return,
            }
        }
        let started = Instant::now();
        let ended = match plan.spawn() {
            Err(error) => format!("cannot be started: {error}"),
            Ok(mut child) => {
                pid.send_replace(child.id());
                tokio::select! {
                    status = child.wait() => {
                        pid.send_replace(None);
                        status.map_or_else(|error| error.to_string(), |status| format!("has ended ({status})"))
                    }
                    _ = stop.changed() => {
                        plan.end(&mut child).await;
                        pid.send_replace(None);
                        return;
                    }
                }
            }
        };
        if plan.unplugged.as_ref().is_some_and(|marker| marker.exists()) {
            continue;
        }
        if started.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        // Nobody listens any more when the cluster is being ended.
        let _ = notes.send(format!("{} {ended}; starting it anew (log: {})", plan.title, plan.log.display()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl ProcessPlan {
    fn spawn(&self) -> std::io::Result<Child> {
        let large = fs::metadata(&self.log).is_ok_and(|metadata| metadata.len() > MAX_LOG);
        let log = File::options().create(true).write(true).append(!large).truncate(large).open(&self.log)?;
        Command::new(crate::own_binary())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own, so that Ctrl-C in the terminal reaches `dev` alone.
            .process_group(0)
            .spawn()
    }

    async fn end(&self, child: &mut Child) {
        if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, self.end);
        }
        if tokio::time::timeout(self.patience, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }
}
