use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader};
use tokio::sync::watch;

use super::ahead::Ahead;
use super::flushed::Flushed;
use super::recent::Recent;
use super::writer::LogWriter;
use super::{Change, LogDisk, LogError};
use crate::blocking::blocking;
use crate::raft::disk::Disk;
use crate::raft::folder_error::FolderError;
use crate::raft::types::{Entry, LogId, Membership, StorageError, StorageIOError, TypeConfig, Vote};

/// The log as Raft uses it: the newest entries in memory, all of them on the disk.
#[derive(Debug, Clone)]
pub(in crate::raft) struct LogStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    writer: LogWriter,
    recent: Mutex<Recent>,
    ahead: Mutex<Ahead>,
    disk: Arc<LogDisk>,
}

impl LogStore {
    /// The most bytes of entries in one message to another server.
    const MESSAGE: usize = 4 << 20;

    /// Opens the log, or makes it.
    pub(in crate::raft) async fn open(disk: Arc<dyn Disk>) -> Result<Self, FolderError> {
        let log = {
            let disk = Arc::clone(&disk);
            blocking(move || LogDisk::open(disk)).await
        };
        let io = |source| FolderError::Io { path: disk.path(""), source };
        let log = Arc::new(log.map_err(|error| io(io::Error::other(error)))??);
        let (_, last) = log.ends().map_err(|error| io(io::Error::other(error)))?;
        let last = last.map_or(0, |id| id.index);
        let writer = LogWriter::start(Arc::clone(&log), last, disk.latency()).map_err(io)?;
        let (recent, ahead) = Default::default();
        Ok(Self { shared: Arc::new(Shared { writer, recent, ahead, disk: log }) })
    }

    /// Whether nothing was ever written to it.
    pub(in crate::raft) async fn is_fresh(&self) -> Result<bool, StorageError> {
        let (_, last) = self.on_disk(LogDisk::ends).await?;
        Ok(last.is_none() && self.shared.disk.vote().is_none())
    }

    /// Gives up the lead that this server, Raft's number `me`, had when it ended.
    ///
    /// Raft would have it go on leading in the same term. But entries that were agreed on may be missing here, or not be
    /// known to be agreed on: the other servers may have had them on their disks before this one had. It would answer
    /// reads without them, and give their places to other entries.
    pub(in crate::raft) async fn step_down(&self, me: u64) -> Result<(), StorageError> {
        match self.shared.disk.vote() {
            Some(vote) if vote.committed && vote.leader_id.node_id == me => {
                // Of its term it remembers that it voted for itself, and no more: so it stands in no other's way.
                self.change(Change::Vote(Vote::new(vote.leader_id.term, me))).await
            }
            _ => Ok(()),
        }
    }

    /// Returns when nobody uses the log any more, so that the file is closed.
    pub(in crate::raft) async fn close(self) {
        let Shared { writer, disk, .. } = alone(self.shared).await;
        writer.close().await;
        drop(alone(disk).await);
    }

    /// How far the log has come onto the disk.
    pub(in crate::raft) fn flushed(&self) -> Arc<Flushed> {
        self.shared.writer.flushed()
    }

    /// Why the log has failed behind Raft's back, once it has.
    pub(in crate::raft) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.shared.writer.failure()
    }

    /// This server leads by this vote, as Raft says, in a group of this membership.
    pub(in crate::raft) fn leads(&self, vote: Vote, membership: &Membership) {
        self.ahead().leads(vote, membership);
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.shared.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries of `range` from its start on, until they are `bytes` together; at least one.
    async fn read(&self, range: Range<u64>, bytes: usize) -> Result<Vec<Entry>, StorageError> {
        let (recent, first) = self.recent().read(&range);
        let mut entries = Vec::new();
        let mut left = bytes;
        if range.start < first {
            let from_disk = range.start..range.end.min(first);
            let (old, complete) = self.on_disk(move |disk| disk.read(&from_disk, bytes)).await?;
            left = left.saturating_sub(old.iter().map(|(_, size)| size).sum());
            entries.extend(old.into_iter().map(|(entry, _)| entry));
            if !complete {
                return Ok(entries);
            }
        }
        for (entry, size) in recent {
            if !entries.is_empty() && size > left {
                break;
            }
            left = left.saturating_sub(size);
            entries.push(entry);
        }
        Ok(entries)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(&LogDisk) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let disk = Arc::clone(&self.shared.disk);
        let result = blocking(move || read(&disk)).await;
        let result = result.map_err(|error| AnyError::new(&error));
        let result = result.and_then(|result| result.map_err(|error| AnyError::new(&error)));
        result.map_err(|error| StorageIOError::read_logs(error).into())
    }

    async fn change(&self, change: Change) -> Result<(), StorageError> {
        self.shared.writer.write(change).await.map_err(|error| StorageIOError::write_logs(&error).into())
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        if start >= end { Ok(Vec::new()) } else { self.read(start..end, usize::MAX).await }
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        self.read(start..end, Self::MESSAGE).await
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let (last_purged_log_id, last_log_id) = self.on_disk(LogDisk::ends).await?;
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.ahead().voted(vote);
        let written = self.shared.writer.write(Change::Vote(*vote)).await;
        written.map_err(|error| StorageIOError::write_vote(&error).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.shared.disk.vote())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.shared.writer.committed(committed);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.shared.disk.committed())
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let may_be_ahead = self.ahead().admits(&entries);
        let mut encoded = Vec::with_capacity(entries.len());
        {
            let mut recent = self.recent();
            for entry in entries {
                let bytes = super::encode(&entry)
                    .map_err(|error| StorageIOError::write_log_entry(entry.log_id, AnyError::new(&error)))?;
                let (index, size) = (entry.log_id.index, bytes.len());
                recent.push(entry, size);
                encoded.push((index, bytes));
            }
            recent.shrink(self.shared.writer.flushed().get());
        }
        if may_be_ahead {
            self.shared.writer.append_ahead(encoded, callback);
        } else {
            self.shared.writer.append(encoded, callback);
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.recent().truncate(log_id.index);
        self.ahead().truncated(log_id.index);
        self.change(Change::Truncate(log_id.index)).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.recent().purge(log_id.index);
        self.change(Change::Purge(log_id)).await
    }
}

/// Waits until nobody else has the value.
async fn alone<T>(mut shared: Arc<T>) -> T {
    const PAUSE: Duration = Duration::from_millis(2);
    loop {
        match Arc::try_unwrap(shared) {
            Ok(value) => return value,
            Err(still) => shared = still,
        }
        tokio::time::sleep(PAUSE).await;
    }
}
