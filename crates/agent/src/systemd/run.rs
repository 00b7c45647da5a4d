use std::time::Duration;

use icefield_api::Exit;
use icefield_spec::Millis;
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

/// How long units may take to stop beyond the time that they are given.
const TO_STOP: Duration = Duration::from_secs(10);

/// How long an agent that starts waits for systemd to tell of the units that it finds.
const TO_TELL: Duration = Duration::from_secs(2);

/// How often is asked again while units change, at first and later.
const SOON: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// How often is asked at least, where something may change that cannot be watched.
const SELDOM: Duration = Duration::from_secs(10);

/// Tells when one of a replica's units has ended that are to be active.
pub(crate) struct UnitWatch {
    units: UnitOrder,
    /// Which start of the main unit is watched, once that is known.
    invocation: Option<String>,
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
    if let Err(why) = manager.start(&units.target).await {
        end(order, units).await;
        return Err(NotStarted::for_now(why));
    }
    go_on(home, order, units).await
}

/// Waits until the units of a run have started that are being started, by this agent or an earlier one.
pub(crate) async fn go_on(
    home: &ReplicaHome,
    order: &RunOrder,
    units: &UnitOrder,
) -> Result<(Process, Watch), NotStarted> {
    let noted = first_process(order, units).await.and_then(|process| {
        let record = ProcessRecord { run: order.run, process: process.clone(), started_at: since_1970() };
        record::write(&home.process(), &record, Keep::ThisBoot).map_err(|error| error.to_string())?;
        Ok(process)
    });
    match noted {
        Ok(process) => {
            units.has_started();
            Ok((process, Watch::Units(UnitWatch::of(units))))
        }
        Err(why) => {
            end(order, units).await;
            Err(NotStarted::for_now(why))
        }
    }
}

/// The process that stands for it, once all that is to be active is so. How long that may take, its units say.
async fn first_process(order: &RunOrder, units: &UnitOrder) -> Result<Process, String> {
    let begun = Instant::now();
    loop {
        let states = ask(units).await;
        let mut each = units.watched.iter().zip(&states);
        if let Some((name, state)) = each.find(|(_, state)| state.has_ended()) {
            return match state.outcome(order.memory) {
                Outcome::NotStarted { message } => Err(said_of(units, name, message)),
                // It was quick; what it came to is told as its end.
                _ if units.is_main(name) && state.last_pid > 0 => Ok(Process::of_ended(state.last_pid)),
                outcome => Err(said_of(units, name, outcome.to_string())),
            };
        }
        if let Some(process) = up(units, &states) {
            return Ok(process);
        }
        // A slow start costs few questions and a fast one little waiting.
        let pause = (begun.elapsed() / 10).clamp(SOON.0, SELDOM);
        if timeout(pause, next(&mut ends(&states))).await.is_ok() {
            // systemd has to learn of that end too.
            sleep(SOON.0).await;
        }
    }
}

/// The process that stands for the replica, if all that is to be active is so. A unit can be so without one.
fn up(units: &UnitOrder, states: &[UnitState]) -> Option<Process> {
    if !states.iter().all(UnitState::is_up) {
        return None;
    }
    match main(units, states) {
        Some(state) if state.main_pid > 0 => Process::of(state.main_pid).ok(),
        _ => Some(Process::none()),
    }
}

/// How the main unit is, if there is one.
fn main<'a>(units: &UnitOrder, states: &'a [UnitState]) -> Option<&'a UnitState> {
    units.watched.iter().zip(states).find(|(name, _)| units.is_main(name)).map(|(_, state)| state)
}

/// How the units are that are to be active. As long as systemd does not tell, nothing is known of them, and it is asked again.
async fn ask(units: &UnitOrder) -> Vec<UnitState> {
    let mut pause = SOON.0;
    loop {
        match units.manager.show(&units.watched()).await {
            Ok(states) => return states,
            Err(why) => tracing::warn!("systemd does not tell of {}, and is asked again: {why}", units.target),
        }
        sleep(pause).await;
        pause = (pause * 2).min(SELDOM);
    }
}

/// What is said of a unit: of the main one, that it is so; of another, that it is that one.
fn said_of(units: &UnitOrder, name: &str, message: String) -> String {
    if units.is_main(name) { message } else { format!("{name}: {message}") }
}

impl UnitWatch {
    fn of(units: &UnitOrder) -> Self {
        Self { units: units.clone(), invocation: None }
    }

    /// Returns when one of the watched units has ended, or the main one is not the one any more that it was.
    pub(crate) async fn ended(&mut self) {
        let mut pause = SOON.0;
        loop {
            let states = ask(&self.units).await;
            if states.iter().any(UnitState::has_ended) || self.is_another(&states) {
                return;
            }
            let mut ends = ends(&states);
            let changes = states.iter().any(|state| state.active == "deactivating" || state.has_job);
            let all = ends.len() == states.len();
            let patience = match (changes, all) {
                (true, _) => Some(pause),
                (false, true) => None,
                // What has a process and starts has another soon, or ends; what has none may go on so for ever.
                (false, false) if pause < SOON.1 => Some(pause),
                (false, false) => Some(SELDOM),
            };
            match patience {
                Some(patience) => drop(timeout(patience, next(&mut ends)).await),
                None => next(&mut ends).await,
            }
            pause = if all && !changes { SOON.0 } else { (pause * 2).min(SOON.1) };
        }
    }

    /// Whether somebody else has started the main unit anew. That its process has handed over to another one is no such thing.
    fn is_another(&mut self, states: &[UnitState]) -> bool {
        let Some(state) = main(&self.units, states).filter(|state| state.is_up()) else { return false };
        *self.invocation.get_or_insert_with(|| state.invocation.clone()) != state.invocation
    }
}

/// The ends to come of the main processes of units, of those that have one which can be watched.
fn ends(states: &[UnitState]) -> JoinSet<()> {
    let mut ends = JoinSet::new();
    for fd in states.iter().filter_map(|state| pidfd(state.main_pid).ok().flatten()) {
        ends.spawn(async move { drop(fd.readable().await) });
    }
    ends
}

/// Returns with the first of them; never if there are none.
async fn next(ends: &mut JoinSet<()>) {
    if ends.join_next().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Waits for the end of a run, and for all of its units to have stopped.
pub(crate) async fn conclude(
    home: &ReplicaHome,
    order: &RunOrder,
    units: &UnitOrder,
    watch: &mut Watch,
) -> (Outcome, Exit) {
    if let Err(error) = watch.ended().await {
        tracing::error!(replica = %order.replica, %error, "lost sight of its units");
    }
    let outcome = outcome(order, units, &ask(units).await);
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
    let Some((name, state)) = failed.or_else(|| ended().next()) else {
        return Outcome::Unseen { message: "it has ended, and runs again: someone else started it".into() };
    };
    let outcome = match state.was_tried {
        true => state.outcome(order.memory),
        // It has run. Where its target is stopped by hand, systemd forgets what became of it.
        false => Outcome::Unseen { message: "it was stopped, and not by this agent".into() },
    };
    match units.is_main(name) {
        true => outcome,
        false => Outcome::Unseen { message: format!("{name}: {outcome}") },
    }
}

/// Stops all that is left of a run; what does not stop is killed.
async fn end(order: &RunOrder, units: &UnitOrder) {
    let (all, patience) = (units.all(), order.stop_grace.duration() + TO_STOP);
    let (begun, mut pause) = (Instant::now(), SOON.0);
    while let Err(why) = units.manager.stop(&all, patience).await {
        tracing::warn!(replica = %order.replica, "{why}; its units are killed");
        units.manager.kill(&all);
        // What is not there any more cannot be stopped, and need not be.
        let gone = units.manager.show(&all).await.is_ok_and(|states| states.iter().all(UnitState::has_ended));
        if gone || begun.elapsed() > patience {
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(SELDOM);
    }
    units.unbind();
    units.forget_secrets();
}

/// Takes over a replica that is units.
pub(crate) async fn adopt(home: &ReplicaHome, order: &RunOrder, units: &UnitOrder) -> Adopted {
    let record = record::read::<ProcessRecord>(&home.process()).ok().flatten();
    let record = record.filter(|record| record.run == order.run);
    let states = timeout(TO_TELL, ask(units)).await.ok();
    if let Some(states) = states.as_ref().filter(|states| states.iter().any(UnitState::has_ended)) {
        return ended(order, units, record, states).await;
    }
    let process = match (&states, &record) {
        (Some(states), Some(_)) => up(units, states),
        // As far as is known it runs; its watch hears of it as soon as systemd tells.
        (None, Some(record)) => {
            tracing::warn!(replica = %order.replica, "taken to run on until systemd tells of it");
            Some(record.process.clone()).filter(Process::is_alive).or_else(|| Some(Process::none()))
        }
        (_, None) => None,
    };
    let Some(process) = process else {
        let found = Found::Starting {
            incarnation: order.incarnation.clone(),
            grace: order.stop_grace,
            drain: order.drain,
            restarts: order.restarts,
        };
        return Adopted { found, order: Some(order.clone()), running: None };
    };
    let ran_for =
        record.map_or(Duration::ZERO, |record| Duration::from_millis(since_1970().saturating_sub(record.started_at)));
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
    let watch = Watch::Units(UnitWatch::of(units));
    Adopted { found, order: Some(order.clone()), running: Some((process, watch)) }
}

/// Takes over a replica whose units have ended.
async fn ended(order: &RunOrder, units: &UnitOrder, record: Option<ProcessRecord>, states: &[UnitState]) -> Adopted {
    let how = match &record {
        Some(record) if !record.process.is_of_this_boot() => "the machine was restarted".to_owned(),
        _ => outcome(order, units, states).to_string(),
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
