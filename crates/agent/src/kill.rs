use std::path::Path;
use std::time::{Duration, Instant};

use icefield_plan::ReplicaId;
use rustix::process::{Pid, Signal, kill_process};

use crate::AgentError;
use crate::cgroup::{Groups, Leftovers};
use crate::home::{Home, ReplicaHome};
use crate::private;
use crate::process::{Process, RunLock, holder, kill_session, signal_group};
use crate::record;
use crate::shim::{ProcessRecord, RunOrder};

/// How long killed processes may take to go.
const TO_GO: Duration = Duration::from_secs(10);

/// Kills every replica of the agent whose folder is `data`, at once and without a word to them; returns how many there
/// were, when they are gone.
///
/// The agent itself must have ended before, or it would start them anew. Logs and what replicas have in their own
/// folders stay.
///
/// # Errors
/// If the folder cannot be read, or killed processes do not go.
pub fn kill_all(data: &Path) -> Result<usize, AgentError> {
    let folder = |source| AgentError::Folder { folder: data.into(), source };
    let mut victims = Vec::new();
    for (id, home) in Home::new(data).known_replicas().map_err(folder)? {
        victims.push(Victim::of(id, home));
    }
    let deadline = Instant::now() + TO_GO;
    let mut killed = 0;
    let mut locks = Vec::new();
    for victim in &victims {
        killed += usize::from(victim.kill());
    }
    let mut left = victims;
    loop {
        left.retain(|victim| match victim.bury() {
            Some(lock) => {
                locks.push(lock);
                false
            }
            None => true,
        });
        if left.is_empty() {
            private::clear(&Home::new(data));
            return Ok(killed);
        }
        if Instant::now() > deadline {
            return Err(AgentError::Lingering { folder: data.into(), count: left.len() });
        }
        std::thread::sleep(Duration::from_millis(2));
        for victim in &left {
            victim.kill();
        }
    }
}

struct Victim {
    id: ReplicaId,
    home: ReplicaHome,
    order: Option<RunOrder>,
}

impl Victim {
    fn of(id: ReplicaId, home: ReplicaHome) -> Self {
        let order = record::read(&home.run()).unwrap_or_else(|error| {
            tracing::warn!(replica = %id, %error, "this record is passed over");
            None
        });
        Self { id, home, order }
    }

    fn process(&self) -> Option<Process> {
        let record: ProcessRecord = record::read(&self.home.process()).ok()??;
        Some(record.process)
    }

    /// Kills the program, its supervisor and all that belongs to them; whether there was anything.
    fn kill(&self) -> bool {
        let mut any = false;
        if let Some(units) = self.order.as_ref().and_then(|order| order.units.as_ref()) {
            any |= self.process().is_some_and(|process| process.is_alive());
            units.end_now();
        }
        if let Some(process) = self.process() {
            any |= process.is_alive();
            signal_group(&process, Signal::KILL);
        }
        let shim = holder(&self.home.lock()).ok().flatten();
        if let Some(pid) = shim.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            any |= kill_process(pid, Signal::KILL).is_ok();
        }
        any
    }

    /// Whether all of it is gone. The lock that is returned, and the order that is not there any more, keep a supervisor
    /// that was being started just now from starting the program.
    fn bury(&self) -> Option<RunLock> {
        let lock = RunLock::take(&self.home.lock()).ok()??;
        let groups = self.order.as_ref().map_or(&[] as &[_], |order| &order.groups);
        let left = Leftovers::new(groups).kill() + self.process().map_or(0, |process| kill_session(&process));
        if left > 0 {
            return None;
        }
        Groups::remove(groups);
        if let Err(error) = record::delete(&self.home.run()) {
            tracing::warn!(replica = %self.id, %error, "its last run stays on record");
        }
        Some(lock)
    }
}
