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
        let path = disk.path(name);
        let damaged = |reason: String| FolderError::Damaged { path: path.clone(), reason };
        if disk.size(name).is_ok_and(|size| size == Some(0)) {
            return Err(damaged("it is empty".into()));
        }
        // redb panics on some kinds of damage that it takes to be impossible.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Mutex::new(Some(Arc::new(database(&*disk, name)?)));
            let log = Self { disk: Arc::clone(&disk), name, database };
            log.vote()?;
            log.ends()?;
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
        let written = self.present().and_then(|database| write(&database, changes, committed));
        if written.is_err() {
            *self.database.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        written
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

    /// Changes entries, as JSON, in one step; `change` says whether it has changed one.
    pub(super) fn rewrite(&self, change: impl Fn(&mut serde_json::Value) -> bool) -> Result<(), redb::Error> {
        let transaction = self.present()?.begin_write()?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let mut changed = Vec::new();
            for row in entries.iter()? {
                let (index, value) = row?;
                let mut entry = decode(value.value())?;
                if change(&mut entry) {
                    changed.push((index.value(), encode(&entry)?));
                }
            }
            for (index, entry) in changed {
                entries.insert(index, entry.as_slice())?;
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

fn encode(value: &impl Serialize) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| redb::Error::Io(error.into()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}
