use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openraft::ServerState;
use tokio::sync::watch;
use tokio::time::Instant;

use super::disk::Disk;
use super::types::Raft;
use super::voters::voters;
use crate::blocking::blocking;

/// Below so many free bytes a server takes no writes.
const LOW: u64 = 16 << 20;

/// From so many free bytes on it takes writes again.
const ENOUGH: u64 = 24 << 20;

/// So many bytes are kept aside for what has been begun when the disk gets full between two looks.
const RESERVE: u64 = 8 << 20;

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
pub(super) async fn watch(
    server: String,
    disk: Arc<dyn Disk>,
    raft: Raft,
    full: watch::Sender<Option<DiskFull>>,
    aside: watch::Sender<bool>,
) {
    let mut aside = Aside { full: false, leads: false, until: None, now: aside };
    let mut is_reserved = false;
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
            Ok(Ok(_)) => {
                if was_full {
                    tracing::warn!("there is space on the disk again; changes are taken");
                    full.send_replace(None);
                }
                if was_full || !is_reserved {
                    let keep = Arc::clone(&disk);
                    is_reserved = matches!(blocking(move || keep.reserve(RESERVE)).await, Ok(Ok(())));
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "how full the disk is cannot be told"),
            Err(_) => return,
        }
        aside.turn(&raft, full.borrow().is_some());
        tokio::time::sleep(EVERY).await;
    }
}

/// How a server whose disk is full lets another one lead.
///
/// It does so for a while only: if nobody takes over then, all are full or gone, and a leader that serves reads is better
/// than none.
#[derive(Debug)]
struct Aside {
    full: bool,
    leads: bool,
    until: Option<Instant>,
    now: watch::Sender<bool>,
}

impl Aside {
    /// For how long. A new leader needs less.
    const LENGTH: Duration = Duration::from_secs(3);

    fn turn(&mut self, raft: &Raft, full: bool) {
        let (leads, own) = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow();
            (metrics.state == ServerState::Leader, metrics.id)
        };
        let begins = full && !(self.full && (self.leads || !leads));
        (self.full, self.leads) = (full, leads);
        if begins && !voters(raft).eq([own]) {
            self.until = Some(Instant::now() + Self::LENGTH);
        }
        if !full || self.until.is_some_and(|until| Instant::now() >= until) {
            self.until = None;
        }
        let aside = self.until.is_some();
        if self.now.send_replace(aside) != aside {
            raft.runtime_config().elect(!aside);
            // A leader that is silent is replaced.
            raft.runtime_config().heartbeat(!aside);
        }
    }
}
