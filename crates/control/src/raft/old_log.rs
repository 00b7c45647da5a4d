use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value;

use super::log;

/// The file that the first two formats had their log in, a redb database.
pub(super) const NAME: &str = "log.redb";

const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");

/// What a log of the first two formats says.
#[derive(Debug, Default)]
pub(super) struct OldLog {
    /// The entries, by their indices.
    pub(super) entries: Vec<(u64, Value)>,
    pub(super) vote: Option<Value>,
    pub(super) committed: Option<Value>,
    pub(super) purged: Option<Value>,
}

impl OldLog {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, redb::Error> {
        // redb panics on some kinds of damage that it takes to be impossible.
        let read = catch_unwind(AssertUnwindSafe(|| Self::read_tables(&Database::open(path)?)));
        read.unwrap_or_else(|_| Err(redb::Error::Corrupted("it cannot be read as a log".into())))
    }

    fn read_tables(database: &Database) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        let mut entries = Vec::new();
        for row in transaction.open_table(ENTRIES)?.iter()? {
            let (index, value) = row?;
            entries.push((index.value(), decode(value.value())?));
        }
        let facts = transaction.open_table(FACTS)?;
        let fact = |name| facts.get(name)?.map(|value| decode(value.value())).transpose();
        Ok(Self { entries, vote: fact("vote")?, committed: fact("committed")?, purged: fact("purged")? })
    }
}

/// A value: its JSON, before which the second format has its hash.
fn decode(bytes: &[u8]) -> Result<Value, redb::Error> {
    serde_json::from_slice(log::opened(bytes).unwrap_or(bytes))
        .map_err(|error| redb::Error::Io(io::Error::other(error)))
}
