use std::io;
use std::time::Duration;

use icefield_api::Exit;
use icefield_spec::Millis;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::order::UnitOrder;
use super::state::UnitState;
use crate::adopt::Adopted;
use crate::core::Found;
use crate::driver::NotStarted;
use crate::home::ReplicaHome;
use crate::process::Process;
use crate::record::{self, Keep};
use crate::shim::{Outcome, ProcessRecord, RunOrder};
use crate::wall_clock::since_1970;
use crate::watch::{Watch, pidfd};

/// How long units may wait for others before one has a process.
const TO_START: Duration = Duration::from_secs(60);

/// How long units may take to stop beyond the time that they are given.
const TO_STOP: Duration = Duration::from_secs(10);

/// How often is asked again while units change, at first and later.
const SOON: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// How often is asked after a unit that runs and has no process to watch.
const SELDOM: Duration = Duration::from_secs(10);

/// Tells when one of a replica's units has ended that are to be active.
pub(crate) struct UnitWatch {
    units: UnitOrder,
}

/// Links the units of a run in and starts them; what is left of those of the run `before` goes.
pub(crate) async fn launch(
    home: &ReplicaHome,
    order: &RunOrder,
    units: &UnitOrder,
    before: Option<&UnitOrder>,
) -> Result<(Process, Watch), NotStarted> {
    let manager = &units.manager;
    units.put(before).map_err(|error| {
        NotStarted::for_now(format!("cannot put its units into {}: {error}", manager.unit_dir.display()))
    })?;
    manager.reload().await.map_err(NotStarted::for_now)?;
    manager.forget_failures(&units.all()).await;
    let started = match manager.start(&units.target).await {
        Ok(()) => first_process(order, units).await,
        Err(why) => Err(why),
    };
    let process = match started {
        Ok(process) => process,
        Err(why) => {
            end(order, units).await;
            return Err(NotStarted::for_now(why));
        }
    };
    if let Some(secrets) = &units.secrets {
        record::delete(secrets).map_err(|error| NotStarted::for_now(error.to_string()))?;
    }
    let record = ProcessRecord { run: order.run, process: process.clone(), started_at: since_1970() };
    record::write(&home.process(), &record, Keep::ThisBoot).map_err(|error| NotStarted::for_now(error.to_string()))?;
    Ok((process, Watch::Units(UnitWatch { units: units.clone() })))
}

/// The main process, once there is one; where none stands for the replica, all that is to be active has to be so, or at work.
async fn first_process(order: &RunOrder, units: &UnitOrder) -> Result<Process, String> {
    let begun = Instant::now();
    let mut pause = SOON.0;
    loop {
        let states = units.manager.show(&units.watched()).await?;
        let mut each = units.watched.iter().zip(&states);
        if let Some((name, state)) = each.find(|(_, state)| state.has_ended()) {
            return match state.outcome(order.memory) {
                Outcome::NotStarted { message } => Err(said_of(units, name, message)),
                // It was quick; what it came to is told as its end.
                _ if units.is_main(name) && state.last_pid > 0 => Ok(Process::of_ended(state.last_pid)),
                outcome => Err(said_of(units, name, outcome.to_string())),
            };
        }
        let main = units.watched.iter().zip(&states).find(|(name, _)| units.is_main(name));
        if units.main.is_none() && states.iter().all(|state| state.active == "active" || state.main_pid > 0) {
            return Ok(Process::none());
        }
        if let Some((_, state)) = main.filter(|(_, state)| state.main_pid > 0)
            && let Ok(process) = Process::of(state.main_pid)
        {
            return Ok(process);
        }
        if begun.elapsed() > TO_START {
            let what = match &units.main {
                Some(main) => format!("{main} has no process"),
                None => "not all of its units are active".to_owned(),
            };
            return Err(format!("{what} after {} s: a unit waits for another", TO_START.as_secs()));
        }
        sleep(pause).await;
        pause = (pause * 2).min(SOON.1);
    }
}

/// What is said of a unit: of the main one, that it is so; of another, that it is that one.
fn said_of(units: &UnitOrder, name: &str, message: String) -> String {
    if units.is_main(name) { message } else { format!("{name}: {message}") }
}

impl UnitWatch {
    /// Returns when one of the watched units has ended, or nobody can tell any more.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        let mut pause = SOON.0;
        loop {
            let states = match self.units.manager.show(&self.units.watched()).await {
                Ok(states) => states,
                Err(why) => return Err(io::Error::other(why)),
            };
            if states.iter().any(UnitState::has_ended) {
                return Ok(());
            }
            let mut ends = JoinSet::new();
            for pid in states.iter().map(|state| state.main_pid).filter(|pid| *pid > 0) {
                if let Some(fd) = pidfd(pid)? {
                    ends.spawn(async move { readable(&fd).await });
                }
            }
            let changes = states.iter().any(|state| state.active == "deactivating" || state.has_job);
            let all = ends.len() == states.len();
            let patience = match (changes, all) {
                (true, _) => Some(pause),
                (false, true) => None,
                // What has a process and starts has another soon, or ends; what has none may go on so for ever.
                (false, false) if pause < SOON.1 => Some(pause),
                (false, false) => Some(SELDOM),
            };
            let next = async {
                if ends.join_next().await.is_none() {
                    std::future::pending::<()>().await;
                }
            };
            match patience {
                Some(patience) => drop(timeout(patience, next).await),
                None => next.await,
            }
            pause = if all && !changes { SOON.0 } else { (pause * 2).min(SOON.1) };
        }
    }
}

async fn readable(fd: &AsyncFd<std::os::fd::OwnedFd>) {
    let _ = fd.readable().await;
}

/// Waits for the end of a run, and for all of its units to have stopped.
pub(crate) async fn conclude(
    home: &ReplicaHome,
    order: &RunOrder,
    units: &UnitOrder,
    watch: &mut Watch,
) -> (Outcome, Exit) {
    let seen = watch.ended().await;
    let outcome = match (seen, units.manager.show(&units.watched()).await) {
        (Ok(()), Ok(states)) => outcome(order, units, &states),
        (Err(error), _) => Outcome::Unseen { message: format!("systemd does not tell of it: {error}") },
        (_, Err(why)) => Outcome::Unseen { message: format!("systemd does not tell of it: {why}") },
    };
    end(order, units).await;
    let started = record::read::<ProcessRecord>(&home.process()).ok().flatten().map(|record| record.started_at);
    let took = started.map_or(0, |started| since_1970().saturating_sub(started));
    let exit = Exit { code: outcome.code(), took: Millis::new(took.min(Millis::MAX.get())) };
    (outcome, exit)
}

/// How the first of the units that have ended did end.
fn outcome(order: &RunOrder, units: &UnitOrder, states: &[UnitState]) -> Outcome {
    let ended = || units.watched.iter().zip(states).filter(|(_, state)| state.has_ended());
    let failed = ended().find(|(_, state)| state.active == "failed");
    match failed.or_else(|| ended().next()) {
        Some((name, state)) if units.is_main(name) => state.outcome(order.memory),
        Some((name, state)) => Outcome::Unseen { message: format!("{name}: {}", state.outcome(order.memory)) },
        None => Outcome::Unseen { message: "it has ended, and runs again: someone else started it".into() },
    }
}

/// Stops all that is left of a run; what does not stop is killed.
async fn end(order: &RunOrder, units: &UnitOrder) {
    let patience = order.stop_grace.duration() + TO_STOP;
    if let Err(why) = units.manager.stop(&units.all(), patience).await {
        tracing::warn!(replica = %order.replica, "{why}; its units are killed");
        units.manager.kill(&units.all());
    }
    units.unbind();
}

/// Takes over a replica that is units.
pub(crate) async fn adopt(home: &ReplicaHome, order: &RunOrder, units: &UnitOrder) -> Adopted {
    let record = record::read::<ProcessRecord>(&home.process()).ok().flatten();
    let record = record.filter(|record| record.run == order.run);
    let states = units.manager.show(&units.watched()).await;
    let active = states.as_ref().ok().filter(|states| !states.iter().any(UnitState::has_ended));
    let process = active.and_then(|states| match units.main {
        Some(_) => {
            let main = units.watched.iter().zip(states).find(|(name, _)| units.is_main(name));
            main.filter(|(_, state)| state.main_pid > 0).and_then(|(_, state)| Process::of(state.main_pid).ok())
        }
        None => Some(Process::none()),
    });
    if let Some(process) = process {
        let ran_for = record
            .map_or(Duration::ZERO, |record| Duration::from_millis(since_1970().saturating_sub(record.started_at)));
        let found = Found::Running {
            incarnation: order.incarnation.clone(),
            grace: order.stop_grace,
            drain: order.drain,
            restarts: order.restarts,
            pid: process.pid(),
            ran_for,
            was_healthy: record::read::<u64>(&home.healthy()).ok().flatten() == Some(order.run),
            once: order.once,
        };
        let watch = Watch::Units(UnitWatch { units: units.clone() });
        return Adopted { found, order: Some(order.clone()), running: Some((process, watch)) };
    }
    let how = match &states {
        _ if record.as_ref().is_some_and(|record| !record.process.is_of_this_boot()) => {
            "the machine was restarted".to_owned()
        }
        Ok(states) => outcome(order, units, states).to_string(),
        Err(why) => format!("systemd does not tell of it: {why}"),
    };
    end(order, units).await;
    let found = match record {
        Some(_) => Found::Ended {
            incarnation: order.incarnation.clone(),
            restarts: order.restarts,
            how: format!("{how}, while no agent was there"),
            exit: Exit { code: None, took: Millis::default() },
            once: order.once,
        },
        None => Found::Remains,
    };
    Adopted { found, order: Some(order.clone()), running: None }
}
