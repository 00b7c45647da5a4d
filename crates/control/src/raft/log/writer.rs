use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use openraft::storage::LogFlushed;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::flushed::Flushed;
use super::{Change, LogDisk, LogError};
use crate::blocking::{blocking, is_single};
use crate::raft::types::{LogId, TypeConfig};

/// The thread that alone writes to the disk: waiting for the disk must not keep the other tasks from running.
///
/// What has queued up while one write was under way becomes one write.
#[derive(Debug)]
pub(super) struct LogWriter {
    jobs: UnboundedSender<Job>,
    writing: Writing,
    disk: Arc<LogDisk>,
    progress: Arc<Progress>,
}

/// What writes. On a runtime of one thread it is a task, so that a simulation comes out the same each time.
#[derive(Debug)]
enum Writing {
    Thread(thread::JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

#[derive(Debug)]
struct Progress {
    flushed: Arc<Flushed>,
    /// Why entries were not written that nobody waited for. Then nothing is written any more.
    failure: watch::Sender<Option<String>>,
    /// The newest entry known to be committed, if the disk does not know yet. It needs no write of its own: without
    /// it, a restarted server is merely told again by the leader.
    committed: Mutex<Option<LogId>>,
    /// How many changes are queued or under way.
    pending: AtomicUsize,
    /// How many microseconds the last write took.
    last_took: AtomicU64,
}

struct Job {
    change: Change,
    done: Done,
}

enum Done {
    Append(LogFlushed<TypeConfig>),
    /// Nobody waits for it, but all that comes after it depends on it.
    Ahead,
    Other(oneshot::Sender<io::Result<()>>),
}

impl LogWriter {
    /// The most changes in one write.
    const MOST: usize = 256;
    /// How long after a write that found the disk full it is tried again.
    const PAUSE: Duration = Duration::from_millis(200);
    /// Waiting so many microseconds for the disk costs less than having another thread do it.
    const BRIEF: u64 = 500;

    /// Starts to write behind entry `last`. Each write takes `latency` longer than the disk does.
    pub(super) fn start(disk: Arc<LogDisk>, last: u64, latency: Duration) -> io::Result<Self> {
        let (jobs, mut queue) = unbounded_channel();
        let progress = Arc::new(Progress {
            flushed: Arc::new(Flushed::new(last)),
            failure: watch::Sender::default(),
            committed: Mutex::default(),
            pending: AtomicUsize::new(0),
            last_took: AtomicU64::new(u64::MAX),
        });
        let (shared, to) = (Arc::clone(&progress), Arc::clone(&disk));
        let writing = if is_single() {
            Writing::Task(tokio::spawn(async move {
                while let Some(first) = queue.recv().await {
                    let mut write = Write::gather(first, &mut queue, &shared);
                    while write.is_stuck(&to, &shared) {
                        tokio::time::sleep(Self::PAUSE).await;
                    }
                    tokio::time::sleep(latency).await;
                    write.tell(&to, &shared);
                }
            }))
        } else {
            let run = move || {
                while let Some(first) = queue.blocking_recv() {
                    let mut write = Write::gather(first, &mut queue, &shared);
                    while write.is_stuck(&to, &shared) {
                        thread::sleep(Self::PAUSE);
                    }
                    write.tell(&to, &shared);
                }
            };
            Writing::Thread(thread::Builder::new().name("log-writer".into()).spawn(run)?)
        };
        Ok(Self { jobs, writing, disk, progress })
    }

    /// Returns when all that is queued has been written.
    pub(super) async fn close(self) {
        drop((self.jobs, self.disk));
        let ended = match self.writing {
            Writing::Task(task) => task.await.map_err(|error| error.to_string()),
            Writing::Thread(thread) => match blocking(move || thread.join()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err("it panicked".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        };
        if let Err(error) = ended {
            tracing::warn!(error, "the log's writer did not end well");
        }
    }

    /// How far the log has come onto the disk.
    pub(super) fn flushed(&self) -> Arc<Flushed> {
        Arc::clone(&self.progress.flushed)
    }

    /// Why entries that were sent ahead could not be written, once that is so.
    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.progress.failure.subscribe()
    }

    /// Remembers the newest committed entry with the next write.
    pub(super) fn committed(&self, committed: Option<LogId>) {
        *self.progress.committed.lock().unwrap_or_else(PoisonError::into_inner) = committed;
    }

    /// Writes entries, and then calls back: at once where the disk is fast and nothing is queued, so that an answer need not
    /// wait for two threads to be woken.
    pub(super) fn append(&self, entries: Vec<(u64, Vec<u8>)>, done: LogFlushed<TypeConfig>) {
        let job = Job { change: Change::Append(entries), done: Done::Append(done) };
        if self.is_brief() {
            let mut write = Write::of(vec![job.change], vec![job.done], &self.progress);
            if write.is_stuck(&self.disk, &self.progress) {
                write.changes.into_iter().zip(write.done).for_each(|(change, done)| self.queue(Job { change, done }));
            } else {
                write.tell(&self.disk, &self.progress);
            }
        } else {
            self.queue(job);
        }
    }

    /// Whether a write can be expected to be made at once, and quickly.
    fn is_brief(&self) -> bool {
        matches!(self.writing, Writing::Thread(_))
            && self.progress.pending.load(Ordering::Acquire) == 0
            && self.progress.last_took.load(Ordering::Relaxed) <= Self::BRIEF
    }

    fn queue(&self, job: Job) {
        self.progress.pending.fetch_add(1, Ordering::AcqRel);
        if let Err(unsent) = self.jobs.send(job) {
            unsent.0.done.tell(Err(stopped()));
        }
    }

    /// Writes entries, and calls back at once. Should they not come onto the disk, nothing will any more.
    pub(super) fn append_ahead(&self, entries: Vec<(u64, Vec<u8>)>, done: LogFlushed<TypeConfig>) {
        self.progress.pending.fetch_add(1, Ordering::AcqRel);
        let sent = self.jobs.send(Job { change: Change::Append(entries), done: Done::Ahead });
        done.log_io_completed(sent.map_err(|_| stopped()));
    }

    /// Makes another change, and returns when it is made.
    pub(super) async fn write(&self, change: Change) -> io::Result<()> {
        let (done, made) = oneshot::channel();
        self.queue(Job { change, done: Done::Other(done) });
        made.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Done {
    fn tell(self, result: io::Result<()>) {
        match self {
            Self::Append(flushed) => flushed.log_io_completed(result),
            Self::Ahead => {}
            // Whoever asked may have gone.
            Self::Other(sender) => drop(sender.send(result)),
        }
    }
}

/// One write, and who is to be told of it.
struct Write {
    changes: Vec<Change>,
    committed: Option<LogId>,
    result: Result<(), String>,
    done: Vec<Done>,
    /// How many of the changes were queued.
    queued: usize,
}

impl Write {
    /// What `first` and what is queued behind it want to be written.
    fn gather(first: Job, queue: &mut UnboundedReceiver<Job>, progress: &Progress) -> Self {
        let (mut changes, mut done) = (vec![first.change], vec![first.done]);
        while changes.len() < LogWriter::MOST
            && let Ok(job) = queue.try_recv()
        {
            changes.push(job.change);
            done.push(job.done);
        }
        let queued = done.len();
        Self { queued, ..Self::of(changes, done, progress) }
    }

    /// A write that was not queued.
    fn of(changes: Vec<Change>, done: Vec<Done>, progress: &Progress) -> Self {
        let committed = progress.committed.lock().unwrap_or_else(PoisonError::into_inner).take();
        Self { changes, committed, result: Ok(()), done, queued: 0 }
    }

    /// Writes; whether the disk is full, so that it must be tried again. Until that succeeds nobody is told anything:
    /// to the others this server is one whose disk is slow.
    fn is_stuck(&mut self, disk: &LogDisk, progress: &Progress) -> bool {
        if let Some(failure) = &*progress.failure.borrow() {
            self.result = Err(failure.clone());
            return false;
        }
        let began = Instant::now();
        let written = disk.write(&self.changes, self.committed);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        progress.last_took.store(took, Ordering::Relaxed);
        let stuck = written.as_ref().is_err_and(LogError::is_full);
        self.result = written.map_err(|error| error.to_string());
        stuck
    }

    fn tell(self, disk: &LogDisk, progress: &Progress) {
        match &self.result {
            Ok(()) => progress.flushed.set(self.changes.iter().fold(progress.flushed.get(), newest)),
            Err(error) if self.done.iter().any(|done| matches!(done, Done::Ahead)) => {
                progress.failure.send_if_modified(|failure| failure.replace(error.clone()).is_none());
            }
            Err(_) => {}
        }
        progress.pending.fetch_sub(self.queued, Ordering::AcqRel);
        for done in self.done {
            done.tell(self.result.clone().map_err(io::Error::other));
        }
        if let Err(error) = disk.mark() {
            tracing::warn!(%error, "how far the log has come cannot be noted; a damaged end of it may pass for a torn one");
        }
    }
}

/// The index of the newest entry after `change`, when it was `before`.
fn newest(before: u64, change: &Change) -> u64 {
    match change {
        Change::Append(entries) => entries.last().map_or(before, |(index, _)| *index),
        Change::Truncate(from) => before.min(from.saturating_sub(1)),
        // What a snapshot stands for needs no entries.
        Change::Purge(upto) => before.max(upto.index),
        Change::Vote(_) => before,
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")
}
