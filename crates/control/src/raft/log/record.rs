use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::LogError;
use super::{Change, SEAL};
use crate::raft::types::{LogId, Vote};

/// One thing that a frame says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The log goes on with this entry.
    Entry {
        /// Its index.
        index: u64,
        /// Where in the file it is, as [`encode`](super::encode) wrote it.
        place: Range<usize>,
    },
    /// The entries from this index on are void.
    Truncate(u64),
    /// The entries up to this one are no longer needed.
    Purge(LogId),
    /// Whom this server has voted for.
    Vote(Vote),
    /// An entry that is known to be committed.
    Committed(LogId),
}

const ENTRY: u8 = 1;
const TRUNCATE: u8 = 2;
const PURGE: u8 = 3;
const VOTE: u8 = 4;
const COMMITTED: u8 = 5;

/// The bytes before a record's content: its kind, the content's length (4).
const HEAD: usize = 5;

/// Writes what a change says to the end of `bytes`.
pub(super) fn change(bytes: &mut Vec<u8>, change: &Change) -> Result<(), LogError> {
    match change {
        Change::Append(entries) => entries.iter().try_for_each(|(index, entry)| {
            record(bytes, ENTRY, |bytes| {
                bytes.extend_from_slice(&index.to_le_bytes());
                bytes.extend_from_slice(entry);
                Ok(())
            })
        }),
        Change::Truncate(from) => record(bytes, TRUNCATE, |bytes| {
            bytes.extend_from_slice(&from.to_le_bytes());
            Ok(())
        }),
        Change::Purge(upto) => fact(bytes, PURGE, upto),
        Change::Vote(vote) => fact(bytes, VOTE, vote),
    }
}

/// Writes that an entry is known to be committed.
pub(super) fn committed(bytes: &mut Vec<u8>, committed: &LogId) -> Result<(), LogError> {
    fact(bytes, COMMITTED, committed)
}

fn fact(bytes: &mut Vec<u8>, kind: u8, value: &impl Serialize) -> Result<(), LogError> {
    record(bytes, kind, |bytes| serde_json::to_writer(bytes, value).map_err(|error| LogError::Io(error.into())))
}

fn record(
    bytes: &mut Vec<u8>,
    kind: u8,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let start = bytes.len();
    bytes.extend_from_slice(&[kind, 0, 0, 0, 0]);
    content(bytes)?;
    let length = u32::try_from(bytes.len() - start - HEAD).map_err(|_| LogError::TooLarge)?;
    bytes[start + 1..start + HEAD].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Tells `each` the records of a frame, whose body is at `place` of its file.
pub(super) fn read(
    body: &[u8],
    place: usize,
    mut each: impl FnMut(Record) -> Result<(), String>,
) -> Result<(), String> {
    let mut rest = body;
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let start = place + body.len() - behind.len();
        let content;
        (content, rest) = behind.split_at_checked(length).ok_or("a record is not whole")?;
        each(match head[0] {
            ENTRY if length >= 8 + SEAL => Record::Entry { index: number(content)?, place: start + 8..start + length },
            TRUNCATE => Record::Truncate(number(content)?),
            PURGE => Record::Purge(value(content)?),
            VOTE => Record::Vote(value(content)?),
            COMMITTED => Record::Committed(value(content)?),
            kind => return Err(format!("a record of the unknown kind {kind}")),
        })?;
    }
    if rest.is_empty() { Ok(()) } else { Err("a record is not whole".to_owned()) }
}

fn number(content: &[u8]) -> Result<u64, String> {
    content.first_chunk().map(|number| u64::from_le_bytes(*number)).ok_or_else(|| "a number is not whole".to_owned())
}

fn value<T: DeserializeOwned>(content: &[u8]) -> Result<T, String> {
    serde_json::from_slice(content).map_err(|error| error.to_string())
}
