use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openraft::ServerState;
use tokio::sync::watch;

use super::disk::Disk;
use super::membership;
use super::types::Raft;
use crate::blocking::blocking;

/// Below so many free bytes a server takes no writes.
const LOW: u64 = 16 << 20;

/// From so many free bytes on it takes writes again.
const ENOUGH: u64 = 24 << 20;

/// How often the disk is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// That a server's disk is nearly full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk of server {server} is nearly full ({} MiB free at {}), so it takes no changes; free some space, and it \
     goes on by itself from {} MiB on", free >> 20, path.display(), ENOUGH >> 20
)]
pub struct DiskFull {
    /// The server.
    pub server: String,
    /// Its folder.
    pub path: PathBuf,
    /// How many bytes are free.
    pub free: u64,
}

/// Looks after the disk for as long as the server runs.
///
/// A server whose disk is nearly full refuses changes rather than break off in the middle of one, and lets another one
/// lead, if there is one.
pub(super) async fn watch(server: String, disk: Arc<dyn Disk>, raft: Raft, full: watch::Sender<Option<DiskFull>>) {
    loop {
        let look = Arc::clone(&disk);
        let free = blocking(move || look.free()).await;
        let was_full = full.borrow().is_some();
        match free {
            Ok(Ok(free)) if free < LOW || was_full && free < ENOUGH => {
                let now = DiskFull { server: server.clone(), path: disk.path(""), free };
                if !was_full {
                    tracing::error!("{now}");
                }
                full.send_replace(Some(now));
            }
            Ok(Ok(_)) if was_full => {
                tracing::warn!("there is space on the disk again; changes are taken");
                full.send_replace(None);
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "how full the disk is cannot be told"),
            Err(_) => return,
        }
        let is_full = full.borrow().is_some();
        if is_full != was_full {
            stand_aside(&raft, is_full);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Lets another server lead, or no longer.
fn stand_aside(raft: &Raft, aside: bool) {
    let (leads, own) = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow();
        (metrics.state == ServerState::Leader, metrics.id)
    };
    if membership::voters(raft).eq([own]) {
        // There is no other.
        return;
    }
    raft.runtime_config().elect(!aside);
    if leads || !aside {
        // A leader that is silent is replaced.
        raft.runtime_config().heartbeat(!aside);
    }
}
