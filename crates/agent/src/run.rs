use std::sync::Arc;

use icefield_api::Exit;
use icefield_plan::ReplicaId;
use rustix::process::{Pid, Signal, kill_process};

use crate::cgroup::Leftovers;
use crate::home::ReplicaHome;
use crate::process::{Process, holder, signal_group};
use crate::record::{self, Keep};
use crate::shim::{Outcome, RunOrder, put_off};
use crate::supervisor::NotLaunched;

/// One run of a replica that the agent has to do with.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) order: Arc<RunOrder>,
    pub(crate) home: ReplicaHome,
    /// Its process, once there is one.
    pub(crate) process: Option<Process>,
    /// Whether the mark of health is set.
    pub(crate) marked: bool,
    /// How often it was killed.
    kills: u32,
}

/// What a run has to tell the agent.
#[derive(Debug)]
pub(crate) enum News {
    Launched(Process),
    NotLaunched(NotLaunched),
    Ended((Outcome, Exit)),
}

/// News of the run with the number `run`.
#[derive(Debug)]
pub(crate) struct RunNews {
    pub(crate) id: ReplicaId,
    pub(crate) run: u64,
    pub(crate) news: News,
}

impl Run {
    pub(crate) const fn new(order: Arc<RunOrder>, home: ReplicaHome) -> Self {
        Self { order, home, process: None, marked: false, kills: 0 }
    }

    /// Asks the program to end; one that was stopped by a signal is woken, or it would never hear of it.
    pub(crate) fn terminate(&self) {
        if let Some(units) = &self.order.units {
            units.manager.ask_to_stop(&units.all());
            return;
        }
        if let Some(process) = &self.process {
            signal_group(process, Signal::TERM);
            signal_group(process, Signal::CONT);
        }
    }

    /// Ends the program; when that was done before and did not help, all that has to do with it.
    pub(crate) fn kill(&mut self) {
        if let Some(units) = &self.order.units {
            units.manager.kill(&units.all());
            // The request may have been lost, and what has no process is not ended by a signal.
            units.manager.ask_to_stop(&units.all());
            return;
        }
        if let Some(process) = &self.process {
            signal_group(process, Signal::KILL);
        }
        if self.kills > 0 {
            Leftovers::new(&self.order.groups).kill();
            let shim = holder(&self.home.lock()).ok().flatten();
            if let Some(pid) = shim.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        self.kills += 1;
    }

    /// Has a singleton run on until `until`.
    pub(crate) fn put_off(&self, until: u64) {
        if self.order.fence.is_some()
            && let Err(error) = put_off(&self.home.fence(), until)
        {
            tracing::warn!(replica = %self.order.replica, %error, "cannot have it run on, so it will be killed");
        }
    }

    /// Sets or clears the mark that tells the next agent whether the replica was healthy.
    pub(crate) fn mark(&mut self, healthy: bool) {
        if self.marked == healthy {
            return;
        }
        self.marked = healthy;
        let path = self.home.healthy();
        let done = if healthy { record::write(&path, &self.order.run, Keep::ThisBoot) } else { record::delete(&path) };
        if let Err(error) = done {
            tracing::warn!(replica = %self.order.replica, %error, "cannot note the replica's health");
        }
    }
}
