use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use openraft::storage::LogFlushed;
use tokio::sync::oneshot;

use super::log_disk::{Change, LogDisk};
use super::types::{LogId, TypeConfig};

/// The thread that alone writes to the disk: waiting for the disk must not keep the other tasks from running.
///
/// What has queued up while one write was under way becomes one write.
#[derive(Debug)]
pub(super) struct LogWriter {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The index of the newest entry that is on the disk.
    flushed: AtomicU64,
    /// The newest entry known to be committed, if the disk does not know yet. It needs no write of its own: without
    /// it, a restarted server is merely told again by the leader.
    committed: Mutex<Option<LogId>>,
}

struct Job {
    change: Change,
    done: Done,
}

enum Done {
    Append(LogFlushed<TypeConfig>),
    Other(oneshot::Sender<io::Result<()>>),
}

impl LogWriter {
    /// The most changes in one write.
    const MOST: usize = 256;

    /// Starts the thread.
    pub(super) fn start(disk: Arc<LogDisk>) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let progress = Arc::<Progress>::default();
        let shared = Arc::clone(&progress);
        let run = move || write_all(&disk, &queue, &shared);
        let thread = thread::Builder::new().name("log-writer".into()).spawn(run)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), progress })
    }

    /// The index of the newest entry that is on the disk.
    pub(super) fn flushed(&self) -> u64 {
        self.progress.flushed.load(Ordering::Acquire)
    }

    /// Remembers the newest committed entry with the next write.
    pub(super) fn committed(&self, committed: Option<LogId>) {
        *self.progress.committed.lock().unwrap_or_else(PoisonError::into_inner) = committed;
    }

    /// Writes entries, and then calls back.
    pub(super) fn append(&self, entries: Vec<(u64, Vec<u8>)>, done: LogFlushed<TypeConfig>) {
        if let Err(Job { done: Done::Append(done), .. }) =
            self.send(Job { change: Change::Append(entries), done: Done::Append(done) })
        {
            done.log_io_completed(Err(stopped()));
        }
    }

    /// Makes another change, and returns when it is made.
    pub(super) async fn write(&self, change: Change) -> io::Result<()> {
        let (done, made) = oneshot::channel();
        self.send(Job { change, done: Done::Other(done) }).map_err(|_| stopped())?;
        made.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn send(&self, job: Job) -> Result<(), Job> {
        match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|error| error.0),
            None => Err(job),
        }
    }
}

impl Drop for LogWriter {
    /// Waits for what is queued, so that the file is free when the store is gone.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(disk: &LogDisk, queue: &Receiver<Job>, progress: &Progress) {
    while let Ok(first) = queue.recv() {
        let (mut changes, mut done) = (vec![first.change], vec![first.done]);
        while changes.len() < LogWriter::MOST
            && let Ok(job) = queue.try_recv()
        {
            changes.push(job.change);
            done.push(job.done);
        }
        let committed = progress.committed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = disk.write(&changes, committed).map_err(|error| error.to_string());
        if result.is_ok() {
            let before = progress.flushed.load(Ordering::Acquire);
            progress.flushed.store(changes.iter().fold(before, newest), Ordering::Release);
        }
        for done in done {
            let result = result.clone().map_err(io::Error::other);
            match done {
                Done::Append(flushed) => flushed.log_io_completed(result),
                // Whoever asked may have gone.
                Done::Other(sender) => drop(sender.send(result)),
            }
        }
    }
}

/// The index of the newest entry after `change`, when it was `before`.
fn newest(before: u64, change: &Change) -> u64 {
    match change {
        Change::Append(entries) => entries.last().map_or(before, |(index, _)| *index),
        Change::Truncate(from) => before.min(from.saturating_sub(1)),
        Change::Purge(_) | Change::Vote(_) => before,
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")
}
