use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::Disk;
use super::folder::FolderError;
use super::mark;
use super::types::{Entry, LogId, Vote};

const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");

const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

/// What the disk keeps of the log: the entries, and the few facts that Raft must not forget.
///
/// After a write that failed, redb wants its file opened anew; until that has been done there is no database.
#[derive(Debug)]
pub(super) struct LogDisk {
    disk: Arc<dyn Disk>,
    name: &'static str,
    database: Mutex<Option<Arc<Database>>>,
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
    /// What redb may keep of the file in memory. The newest entries are kept as values already.
    const CACHE: usize = 8 << 20;

    /// How long a reader waits at most for the file to be opened anew, and how often it looks.
    const PATIENCE: (u32, Duration) = (600, Duration::from_millis(100));

    /// Opens the file of this name, or makes it.
    pub(super) fn open(disk: Arc<dyn Disk>, name: &'static str) -> Result<Self, FolderError> {
        let open = Self::open_and(disk, name, |log| log.vote().and(log.ends()).map(drop))?;
        open.check_mark()?;
        Ok(open)
    }

    /// Whether the log comes as far as it once did.
    fn check_mark(&self) -> Result<(), FolderError> {
        let damaged = |reason| FolderError::Damaged { path: self.disk.path(self.name), reason };
        let marked = mark::get(&*self.disk).map_err(|error| damaged(error.to_string()))?;
        let (_, last) = self.ends().map_err(|error| damaged(error.to_string()))?;
        let last = last.map_or(0, |last| last.index);
        match marked {
            Some(marked) if marked > last => {
                Err(damaged(format!("it ends with entry {last}, though entry {marked} was written and acknowledged")))
            }
            _ => Ok(()),
        }
    }

    /// Opens the file without a look at what is in it, which may be of another format.
    pub(super) fn open_unread(disk: Arc<dyn Disk>, name: &'static str) -> Result<Self, FolderError> {
        Self::open_and(disk, name, |_| Ok(()))
    }

    fn open_and(
        disk: Arc<dyn Disk>,
        name: &'static str,
        look: impl FnOnce(&Self) -> Result<(), redb::Error>,
    ) -> Result<Self, FolderError> {
        let path = disk.path(name);
        let damaged = |reason: String| FolderError::Damaged { path: path.clone(), reason };
        if disk.size(name).is_ok_and(|size| size == Some(0)) {
            return Err(damaged("it is empty".into()));
        }
        // redb panics on some kinds of damage that it takes to be impossible.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Mutex::new(Some(Arc::new(database(&*disk, name)?)));
            let log = Self { disk: Arc::clone(&disk), name, database };
            look(&log)?;
            Ok(log)
        }));
        match opened {
            Ok(Ok(log)) => Ok(log),
            Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(FolderError::InUse { path: path.clone() }),
            Ok(Err(redb::Error::Io(source)))
                if source.kind() != io::ErrorKind::InvalidData && source.kind() != io::ErrorKind::UnexpectedEof =>
            {
                Err(FolderError::Io { path: path.clone(), source })
            }
            Ok(Err(error)) => Err(damaged(error.to_string())),
            Err(_) => Err(damaged("it cannot be read as a log".into())),
        }
    }

    /// Opens the file anew if a write has failed.
    fn present(&self) -> Result<Arc<Database>, redb::Error> {
        let mut open = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        match &*open {
            Some(database) => Ok(Arc::clone(database)),
            None => Ok(Arc::clone(open.insert(Arc::new(database(&*self.disk, self.name)?)))),
        }
    }

    /// Reads; waits if the file is just being opened anew.
    fn read_with<T>(&self, read: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, redb::Error> {
        let (tries, pause) = Self::PATIENCE;
        let mut result = self.present().and_then(|database| read(&database));
        for _ in 1..tries {
            match &result {
                Err(error) if is_full(error) => {}
                _ => break,
            }
            std::thread::sleep(pause);
            result = self.present().and_then(|database| read(&database));
        }
        result
    }

    /// Makes all changes in one step. They are on the disk when this returns, but for purging alone: that may be lost.
    ///
    /// After an error nothing is made, and the same may be tried again.
    pub(super) fn write(&self, changes: &[Change], committed: Option<LogId>) -> Result<(), redb::Error> {
        let written = self.try_to_write(changes, committed);
        match &written {
            // What was kept aside for this is used now.
            Err(error) if is_full(error) && self.disk.release().is_ok() => self.try_to_write(changes, committed),
            _ => written,
        }
    }

    fn try_to_write(&self, changes: &[Change], committed: Option<LogId>) -> Result<(), redb::Error> {
        // What is removed is forgotten before, what is added is remembered after it: so the mark is never ahead.
        for change in changes {
            if let Change::Truncate(from) = change {
                mark::set(&*self.disk, from.saturating_sub(1))?;
            }
        }
        let written = self.present().and_then(|database| write(&database, changes, committed));
        if written.is_err() {
            *self.database.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        written?;
        let last = changes.iter().rev().find_map(|change| match change {
            Change::Append(entries) => Some(entries.last().map(|(index, _)| *index)),
            Change::Truncate(from) => Some(Some(from.saturating_sub(1))),
            Change::Purge(_) | Change::Vote(_) => None,
        });
        if let Some(Some(index)) = last {
            mark::set(&*self.disk, index)?;
        }
        Ok(())
    }

    /// The entries of `range`, each with its size, until they are `bytes` together, but at least one; and whether those
    /// are all there are.
    pub(super) fn read(&self, range: Range<u64>, bytes: usize) -> Result<(Vec<(Entry, usize)>, bool), redb::Error> {
        self.read_with(|database| {
            let transaction = database.begin_read()?;
            let mut entries = Vec::new();
            let mut total = 0;
            for row in transaction.open_table(ENTRIES)?.range(range.clone())? {
                let (_, value) = row?;
                let size = value.value().len();
                total += size;
                if !entries.is_empty() && total > bytes {
                    return Ok((entries, false));
                }
                entries.push((decode(value.value())?, size));
            }
            Ok((entries, true))
        })
    }

    /// Brings values of the first format, which had no hash, to the present one, in one step; `change` does with an
    /// entry what else is to be done.
    pub(super) fn seal(&self, change: impl Fn(&mut serde_json::Value)) -> Result<(), redb::Error> {
        let transaction = self.present()?.begin_write()?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let mut facts = transaction.open_table(FACTS)?;
            let (mut old_entries, mut old_facts) = (Vec::new(), Vec::new());
            for row in entries.iter()? {
                let (index, value) = row?;
                if open(value.value()).is_none() {
                    old_entries.push((index.value(), value.value().to_vec()));
                }
            }
            for row in facts.iter()? {
                let (name, value) = row?;
                if open(value.value()).is_none() {
                    old_facts.push((name.value().to_owned(), value.value().to_vec()));
                }
            }
            let read = |bytes: &[u8]| -> Result<serde_json::Value, redb::Error> {
                serde_json::from_slice(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
            };
            for (index, bytes) in old_entries {
                let mut entry = read(&bytes)?;
                change(&mut entry);
                entries.insert(index, encode(&entry)?.as_slice())?;
            }
            for (name, bytes) in old_facts {
                facts.insert(name.as_str(), encode(&read(&bytes)?)?.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// The newest entry that was purged, and the newest that is there.
    pub(super) fn ends(&self) -> Result<(Option<LogId>, Option<LogId>), redb::Error> {
        let purged = self.fact(PURGED)?;
        let last = self.read_with(|database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let newest = entries.last()?;
            newest.map(|(_, value)| Ok(decode::<Entry>(value.value())?.log_id)).transpose()
        })?;
        Ok((purged, last.or(purged)))
    }

    /// Whom this server has voted for.
    pub(super) fn vote(&self) -> Result<Option<Vote>, redb::Error> {
        self.fact(VOTE)
    }

    /// The newest entry that was known to be committed when something was last written.
    pub(super) fn committed(&self) -> Result<Option<LogId>, redb::Error> {
        self.fact(COMMITTED)
    }

    fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, redb::Error> {
        self.read_with(|database| {
            let transaction = database.begin_read()?;
            let facts = match transaction.open_table(FACTS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                facts => facts?,
            };
            match facts.get(name)? {
                Some(value) => Ok(Some(decode(value.value())?)),
                None => Ok(None),
            }
        })
    }
}

/// Opens the database, and makes it if it is not there.
fn database(disk: &dyn Disk, name: &str) -> Result<Database, redb::Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(LogDisk::CACHE);
    let database = disk.database(name, &builder).map_err(|error: DatabaseError| redb::Error::from(error))?;
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(FACTS)?;
    transaction.commit()?;
    Ok(database)
}

fn write(database: &Database, changes: &[Change], committed: Option<LogId>) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    if changes.iter().all(|change| matches!(change, Change::Purge(_))) {
        transaction.set_durability(Durability::None)?;
    }
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        let mut facts = transaction.open_table(FACTS)?;
        for change in changes {
            match change {
                Change::Append(appended) => {
                    for (index, entry) in appended {
                        entries.insert(index, entry.as_slice())?;
                    }
                }
                Change::Truncate(from) => entries.retain_in(*from.., |_, _| false)?,
                Change::Purge(upto) => {
                    entries.retain_in(..=upto.index, |_, _| false)?;
                    facts.insert(PURGED, encode(upto)?.as_slice())?;
                }
                Change::Vote(vote) => {
                    facts.insert(VOTE, encode(vote)?.as_slice())?;
                }
            }
        }
        if let Some(committed) = committed {
            facts.insert(COMMITTED, encode(&committed)?.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Whether the disk has no space left, or had none when something was written before: then it may be tried again.
pub(super) fn is_full(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        }
        redb::Error::PreviousIo | redb::Error::DatabaseAlreadyOpen => true,
        _ => false,
    }
}

/// How many bytes of its hash stand before a value: redb itself checks what it reads only after a crash.
const SEAL: usize = 8;

/// A value as it is written: its hash, then its JSON.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, redb::Error> {
    let mut bytes = vec![0; SEAL];
    serde_json::to_writer(&mut bytes, value).map_err(|error| redb::Error::Io(error.into()))?;
    let hash = blake3::hash(&bytes[SEAL..]);
    bytes[..SEAL].copy_from_slice(&hash.as_bytes()[..SEAL]);
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    let json = open(bytes).ok_or_else(|| redb::Error::Corrupted("a value does not match its hash".into()))?;
    serde_json::from_slice(json).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// The JSON of a value whose hash is right.
fn open(bytes: &[u8]) -> Option<&[u8]> {
    let (seal, json) = bytes.split_at_checked(SEAL)?;
    (blake3::hash(json).as_bytes()[..SEAL] == *seal).then_some(json)
}
