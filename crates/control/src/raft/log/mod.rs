//! The log on the disk: what Raft must not forget.
//!
//! It is a row of files, `log-00000001` and so on, that are written from the beginning to the end and never changed. One
//! write is one frame (`frame`) of records (`record`), and one wait for the disk. Reading them all again gives the `contents`:
//! the vote, and where each entry is. When a file is full the next one begins, with the facts that are to outlive the files
//! before; these go once no entry in them is needed.
//!
//! `store` is Raft's view, with the newest entries in memory (`recent`); `writer` is the only one that writes.

mod ahead;
mod contents;
mod error;
mod flushed;
mod frame;
mod mark;
mod open;
mod recent;
mod record;
mod store;
mod tail;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::disk::{Claim, Disk};
use super::types::{Entry, LogId, Vote};
use contents::{Contents, Found};
pub(super) use error::LogError;
pub(super) use flushed::Flushed;
pub(super) use mark::parse as parse_mark;
pub(super) use store::LogStore;
use tail::Tail;

/// What the disk keeps of the log: the entries, and the few facts that Raft must not forget.
#[derive(Debug)]
pub(super) struct LogDisk {
    disk: Arc<dyn Disk>,
    tail: Mutex<Tail>,
    contents: Mutex<Contents>,
    /// That no other server uses the folder.
    _claim: Box<dyn Claim>,
}

/// One change of what the disk keeps.
#[derive(Debug)]
pub(super) enum Change {
    /// Adds entries, each with its index.
    Append(Vec<(u64, Vec<u8>)>),
    /// Removes the entries from this index on.
    Truncate(u64),
    /// Removes the entries up to this one, which all servers have applied.
    Purge(LogId),
    /// Remembers whom this server has voted for.
    Vote(Vote),
}

impl LogDisk {
    /// Makes all changes in one step. They are on the disk when this returns.
    ///
    /// After an error nothing is made, and the same may be tried again.
    pub(super) fn write(&self, changes: &[Change], committed: Option<LogId>) -> Result<(), LogError> {
        let mut records = Vec::new();
        changes.iter().try_for_each(|change| record::change(&mut records, change))?;
        committed.iter().try_for_each(|committed| record::committed(&mut records, committed))?;
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        match tail.write(&records, &*self.disk, &self.contents) {
            // What was kept aside for this is used now.
            Err(error) if error.is_full() && self.disk.release().is_ok() => {
                tail.write(&records, &*self.disk, &self.contents)?;
            }
            written => written?,
        }
        if changes.iter().any(|change| matches!(change, Change::Purge(_))) {
            self.forget()?;
        }
        Ok(())
    }

    /// Remembers, beside the log, how far it has come. A write may be acknowledged before this: it is only for noticing
    /// damage.
    pub(super) fn mark(&self) -> io::Result<()> {
        let next = self.tail.lock().unwrap_or_else(PoisonError::into_inner).next;
        mark::set(&*self.disk, next - 1)
    }

    /// Removes the files that nothing is needed of, the oldest first: what is left is one row at any time.
    fn forget(&self) -> io::Result<()> {
        let outlived = self.contents().outlived();
        while let Some(oldest) = self.contents().files.first_entry().filter(|file| Some(*file.key()) <= outlived) {
            self.disk.remove(&name(*oldest.key()))?;
            oldest.remove();
        }
        Ok(())
    }

    /// The entries of `range`, each with its size, until they are `bytes` together, but at least one; and whether those
    /// are all there are.
    pub(super) fn read(&self, range: &Range<u64>, bytes: usize) -> Result<(Vec<(Entry, usize)>, bool), LogError> {
        let (found, complete) = self.contents().range(range, bytes);
        let entries: Result<_, LogError> = found.iter().map(|found| Ok((read(found)?, found.length))).collect();
        Ok((entries?, complete))
    }

    /// The newest entry that was purged, and the newest that there was.
    pub(super) fn ends(&self) -> Result<(Option<LogId>, Option<LogId>), LogError> {
        let (purged, last) = {
            let contents = self.contents();
            (contents.purged, contents.last())
        };
        let last = last.map(|last| Ok::<LogId, LogError>(read(&last)?.log_id)).transpose()?;
        Ok((purged, last.or(purged)))
    }

    /// Whom this server has voted for.
    pub(super) fn vote(&self) -> Option<Vote> {
        self.contents().vote
    }

    /// The newest entry that was known to be committed when something was last written.
    pub(super) fn committed(&self) -> Option<LogId> {
        self.contents().committed
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the log's files are called, before their numbers.
const NAME: &str = "log-";

/// What the file of this number is called.
fn name(number: u64) -> String {
    format!("{NAME}{number:08}")
}

/// The numbers of the log's files, the oldest first.
fn numbers(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let names = disk.names()?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_prefix(NAME)?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The names of the log's files, the oldest first.
pub(super) fn files(disk: &dyn Disk) -> io::Result<Vec<String>> {
    Ok(numbers(disk)?.into_iter().map(name).collect())
}

/// Removes the log. The newest files go first: what is left of an interrupted removal is refused, or goes at the next.
pub(super) fn remove(disk: &dyn Disk) -> io::Result<()> {
    for number in numbers(disk)?.into_iter().rev() {
        disk.remove(&name(number))?;
    }
    mark::clear(disk)
}

/// How many bytes of its hash stand before an entry.
const SEAL: usize = 8;

/// An entry as it is written: its hash, then its JSON. It is read by itself, without the frame that it is in.
pub(super) fn encode(entry: &impl Serialize) -> Result<Vec<u8>, LogError> {
    let mut bytes = vec![0; SEAL];
    serde_json::to_writer(&mut bytes, entry).map_err(|error| LogError::Io(error.into()))?;
    let hash = blake3::hash(&bytes[SEAL..]);
    bytes[..SEAL].copy_from_slice(&hash.as_bytes()[..SEAL]);
    Ok(bytes)
}

/// The JSON of an entry whose hash is right.
pub(super) fn opened(bytes: &[u8]) -> Option<&[u8]> {
    let (seal, json) = bytes.split_at_checked(SEAL)?;
    (blake3::hash(json).as_bytes()[..SEAL] == *seal).then_some(json)
}

fn read(found: &Found) -> Result<Entry, LogError> {
    let damaged = |reason: String| LogError::Damaged { file: name(found.number), reason };
    let mut bytes = vec![0; found.length];
    found.file.read_at(found.at, &mut bytes)?;
    let json = opened(&bytes).ok_or_else(|| damaged("an entry does not match its hash".into()))?;
    serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))
}
