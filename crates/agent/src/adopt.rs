use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icefield_api::Exit;
use icefield_plan::ReplicaId;
use icefield_spec::Millis;
use rustix::process::{Pid, Signal, kill_process};

use crate::core::Found;
use crate::home::ReplicaHome;
use crate::process::{Process, holder};
use crate::record;
use crate::shim::{ProcessRecord, RunOrder};
use crate::supervisor::{outcome, sweep};
use crate::systemd;
use crate::watch::Watch;

/// What an earlier agent left of a replica.
pub(crate) struct Adopted {
    pub(crate) found: Found,
    /// Its last run, if that is known.
    pub(crate) order: Option<RunOrder>,
    /// Its process, if it runs.
    pub(crate) running: Option<(Process, Watch)>,
}

/// How long a supervisor that an earlier agent has just started may take to tell of its program.
const TO_TELL: Duration = Duration::from_secs(2);

/// How long a supervisor may take to go when it is killed.
const TO_GO: Duration = Duration::from_secs(5);

/// Takes over the replica whose folder is `home`.
///
/// Whether it runs is asked of the kernel, by the supervisor's lock. Records that are missing or of no use never make it
/// run twice: then its supervisor, and with it the program, is ended first.
pub(crate) async fn adopt(id: &ReplicaId, home: &ReplicaHome) -> Adopted {
    let order = read::<RunOrder>(id, &home.run());
    if let Some(order) = &order
        && let Some(units) = &order.units
    {
        return systemd::adopt(home, order, units).await;
    }
    let started = tokio::time::Instant::now();
    while let Some(shim) = supervisor(id, home) {
        let record = read::<ProcessRecord>(id, &home.process());
        if let (Some(order), Some(record)) = (&order, record)
            && let Some(adopted) = running(id, home, order, record, shim)
        {
            return adopted;
        }
        if started.elapsed() > TO_TELL || order.is_none() {
            tracing::warn!(replica = %id, "it runs, but the records of it are of no use: it is ended");
            end(id, home, shim).await;
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ended(id, home, order).await
}

fn running(id: &ReplicaId, home: &ReplicaHome, order: &RunOrder, record: ProcessRecord, shim: u32) -> Option<Adopted> {
    if record.run != order.run || !record.process.is_alive() {
        return None;
    }
    let watch = match Watch::adopt(shim) {
        Ok(watch) => watch?,
        Err(error) => {
            tracing::warn!(replica = %id, %error, "cannot watch its supervisor");
            return None;
        }
    };
    // Asked again, now that the number cannot pass to another process unseen.
    if supervisor(id, home) != Some(shim) {
        return None;
    }
    let found = Found::Running {
        incarnation: order.incarnation.clone(),
        grace: order.stop_grace,
        drain: order.drain,
        restarts: order.restarts,
        pid: record.process.pid(),
        ran_for: since(record.started_at),
        was_healthy: read::<u64>(id, &home.healthy()) == Some(order.run),
        once: order.once,
    };
    Some(Adopted { found, order: Some(order.clone()), running: Some((record.process, watch)) })
}

async fn ended(id: &ReplicaId, home: &ReplicaHome, order: Option<RunOrder>) -> Adopted {
    let record = read::<ProcessRecord>(id, &home.process());
    let found = match (&order, record) {
        (Some(order), Some(record)) if record.run == order.run => {
            let (outcome, exit) = outcome(home, order, &record.process);
            sweep(order, &record.process).await;
            let how = format!("{outcome}, while no agent was there");
            ended_as(order, how, exit)
        }
        // Whether its process was there at all nobody knows any more; what runs once does not begin again for that.
        (Some(order), _) if order.once => {
            let how = "nothing is known of its end, which no agent has seen".to_owned();
            ended_as(order, how, Exit { code: None, took: Millis::default() })
        }
        _ => Found::Remains,
    };
    Adopted { found, order, running: None }
}

fn ended_as(order: &RunOrder, how: String, exit: Exit) -> Found {
    let RunOrder { incarnation, restarts, once, .. } = order.clone();
    Found::Ended { incarnation, restarts, how, exit, once }
}

/// Ends a replica of which no more is known than its supervisor.
async fn end(id: &ReplicaId, home: &ReplicaHome, shim: u32) {
    if let Some(pid) = i32::try_from(shim).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
    let started = tokio::time::Instant::now();
    while supervisor(id, home) == Some(shim) && started.elapsed() < TO_GO {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn supervisor(id: &ReplicaId, home: &ReplicaHome) -> Option<u32> {
    holder(&home.lock()).unwrap_or_else(|error| {
        tracing::warn!(replica = %id, %error, "cannot tell whether it runs");
        None
    })
}

fn read<T: serde::de::DeserializeOwned>(id: &ReplicaId, path: &std::path::Path) -> Option<T> {
    record::read(path).unwrap_or_else(|error| {
        tracing::warn!(replica = %id, %error, "this record is passed over");
        None
    })
}

fn since(started_at: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(started_at))
}
