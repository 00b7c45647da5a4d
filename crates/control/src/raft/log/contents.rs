use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::Change;
use super::record::Record;
use crate::raft::disk::DiskFile;
use crate::raft::types::{LogId, Vote};

/// What the log's files say together: the facts, and where each entry is.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Whom this server has voted for.
    pub(super) vote: Option<Vote>,
    /// The newest entry that was known to be committed when something was last written.
    pub(super) committed: Option<LogId>,
    /// The newest entry that was purged.
    pub(super) purged: Option<LogId>,
    /// The files, by their numbers.
    pub(super) files: BTreeMap<u64, Arc<dyn DiskFile>>,
    /// The index of the first of the entries.
    first: u64,
    entries: VecDeque<Place>,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: u64,
    at: u32,
    length: u32,
}

/// An entry that can be read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) number: u64,
    pub(super) at: u64,
    pub(super) length: usize,
}

impl Contents {
    /// Takes in a record of the file `file`.
    pub(super) fn take(&mut self, record: Record, file: u64) -> Result<(), String> {
        match record {
            Record::Entry { index, place } => {
                let end = self.first + self.entries.len() as u64;
                if self.entries.is_empty() {
                    self.first = index;
                } else if index != end {
                    return Err(format!("entry {index} comes after entry {}", end - 1));
                }
                let number =
                    |place: usize| u32::try_from(place).map_err(|_| format!("entry {index} is too far behind"));
                let (at, length) = (number(place.start)?, number(place.len())?);
                self.entries.push_back(Place { file, at, length });
            }
            Record::Truncate(from) => {
                let kept = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
                self.entries.truncate(kept);
            }
            Record::Purge(upto) => {
                let gone = usize::try_from((upto.index + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
                let gone = gone.min(self.entries.len());
                self.entries.drain(..gone);
                self.first += gone as u64;
                self.purged = Some(upto);
            }
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Committed(committed) => self.committed = Some(committed),
        }
        Ok(())
    }

    /// Whether the entries follow upon what was purged.
    pub(super) fn check(&self) -> Result<(), String> {
        let expected = self.purged.map_or(0, |purged| purged.index + 1);
        match self.entries.is_empty() || self.first <= expected.max(1) {
            true => Ok(()),
            false => {
                Err(format!("its entries begin with {}, though only those before {expected} were purged", self.first))
            }
        }
    }

    /// What is to be said again in a new file, so that the ones before may go one day.
    pub(super) fn facts(&self) -> Vec<Change> {
        self.purged.map(Change::Purge).into_iter().chain(self.vote.map(Change::Vote)).collect()
    }

    /// The newest file of which, and of all before which, nothing is needed any more.
    pub(super) fn outlived(&self) -> Option<u64> {
        let needed = match self.entries.front() {
            Some(first) => first.file,
            None => *self.files.last_key_value()?.0,
        };
        self.files.range(..needed).next_back().map(|(number, _)| *number)
    }

    /// The newest entry.
    pub(super) fn last(&self) -> Option<Found> {
        self.entries.back().and_then(|place| self.find(place))
    }

    /// The entries of `range` until they are `bytes` together, but at least one; and whether those are all there are.
    pub(super) fn range(&self, range: &Range<u64>, bytes: usize) -> (Vec<Found>, bool) {
        let skip = usize::try_from(range.start.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let count = usize::try_from(range.end.saturating_sub(self.first.max(range.start))).unwrap_or(usize::MAX);
        let (mut found, mut total) = (Vec::new(), 0);
        for entry in self.entries.iter().skip(skip).take(count).filter_map(|place| self.find(place)) {
            total += entry.length;
            if !found.is_empty() && total > bytes {
                return (found, false);
            }
            found.push(entry);
        }
        (found, true)
    }

    fn find(&self, place: &Place) -> Option<Found> {
        let file = Arc::clone(self.files.get(&place.file)?);
        Some(Found { file, number: place.file, at: place.at.into(), length: place.length as usize })
    }
}
