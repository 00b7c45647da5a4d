use std::fs;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::folder::FolderError;
use super::types::{Entry, LogId, Vote};

const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");

const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

/// What the disk keeps of the log: the entries, and the few facts that Raft must not forget.
#[derive(Debug)]
pub(super) struct LogDisk {
    database: Database,
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

    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        let damaged = |reason: String| FolderError::Damaged { path: path.to_owned(), reason };
        if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            return Err(damaged("it is empty".into()));
        }
        // redb panics on some kinds of damage that it takes to be impossible.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::create(path)));
        match opened {
            Ok(Ok(disk)) => Ok(disk),
            Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(FolderError::InUse { path: path.to_owned() }),
            Ok(Err(redb::Error::Io(source)))
                if source.kind() != io::ErrorKind::InvalidData && source.kind() != io::ErrorKind::UnexpectedEof =>
            {
                Err(FolderError::Io { path: path.to_owned(), source })
            }
            Ok(Err(error)) => Err(damaged(error.to_string())),
            Err(_) => Err(damaged("it cannot be read as a log".into())),
        }
    }

    fn create(path: &Path) -> Result<Self, redb::Error> {
        let create = || Database::builder().set_cache_size(Self::CACHE).create(path);
        let database = create().map_err(|error: DatabaseError| redb::Error::from(error))?;
        let transaction = database.begin_write()?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(FACTS)?;
        transaction.commit()?;
        let disk = Self { database };
        disk.vote()?;
        disk.ends()?;
        Ok(disk)
    }

    /// Makes all changes in one step. They are on the disk when this returns, but for purging alone: that may be lost.
    pub(super) fn write(&self, changes: &[Change], committed: Option<LogId>) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
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

    /// The entries of `range`, each with its size, until they are `bytes` together, but at least one; and whether those
    /// are all there are.
    pub(super) fn read(&self, range: Range<u64>, bytes: usize) -> Result<(Vec<(Entry, usize)>, bool), redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut entries = Vec::new();
        let mut total = 0;
        for row in transaction.open_table(ENTRIES)?.range(range)? {
            let (_, value) = row?;
            let size = value.value().len();
            total += size;
            if !entries.is_empty() && total > bytes {
                return Ok((entries, false));
            }
            entries.push((decode(value.value())?, size));
        }
        Ok((entries, true))
    }

    /// The newest entry that was purged, and the newest that is there.
    pub(super) fn ends(&self) -> Result<(Option<LogId>, Option<LogId>), redb::Error> {
        let transaction = self.database.begin_read()?;
        let purged = self.fact(PURGED)?;
        let last = match transaction.open_table(ENTRIES)?.last()? {
            Some((_, value)) => Some(decode::<Entry>(value.value())?.log_id),
            None => purged,
        };
        Ok((purged, last))
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
        let transaction = self.database.begin_read()?;
        let facts = match transaction.open_table(FACTS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            facts => facts?,
        };
        match facts.get(name)? {
            Some(value) => Ok(Some(decode(value.value())?)),
            None => Ok(None),
        }
    }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| redb::Error::Io(error.into()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}
