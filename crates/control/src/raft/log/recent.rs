use std::collections::VecDeque;
use std::ops::Range;

use crate::raft::types::Entry;

/// The newest log entries, in memory: what is written can be read at once, and what is replicated and applied needs
/// no disk.
#[derive(Debug, Default)]
pub(super) struct Recent {
    entries: VecDeque<(Entry, usize)>,
    bytes: usize,
}

impl Recent {
    /// How many bytes of entries are kept; the disk has the others.
    const KEEP_BYTES: usize = 16 << 20;
    /// How many entries are kept.
    const KEEP_ENTRIES: usize = 4_096;

    /// Adds the entry that follows the newest one; `size` is what it takes on disk.
    pub(super) fn push(&mut self, entry: Entry, size: usize) {
        self.bytes += size;
        self.entries.push_back((entry, size));
    }

    /// Forgets the oldest entries beyond what is kept, but none after `flushed`: those are nowhere else yet.
    pub(super) fn shrink(&mut self, flushed: u64) {
        while self.bytes > Self::KEEP_BYTES || self.entries.len() > Self::KEEP_ENTRIES {
            match self.entries.front() {
                Some((entry, _)) if entry.log_id.index <= flushed => self.pop_front(),
                _ => return,
            }
        }
    }

    /// Forgets the entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.entries.back().is_some_and(|(entry, _)| entry.log_id.index >= index) {
            if let Some((_, size)) = self.entries.pop_back() {
                self.bytes -= size;
            }
        }
    }

    /// Forgets the entries up to `index`.
    pub(super) fn purge(&mut self, index: u64) {
        while self.entries.front().is_some_and(|(entry, _)| entry.log_id.index <= index) {
            self.pop_front();
        }
    }

    /// The entries of `range` that are here, with their sizes, and the index from which on entries are here.
    pub(super) fn read(&self, range: &Range<u64>) -> (Vec<(Entry, usize)>, u64) {
        let Some((first, _)) = self.entries.front() else { return (Vec::new(), u64::MAX) };
        let first = first.log_id.index;
        let skip = usize::try_from(range.start.saturating_sub(first)).unwrap_or(usize::MAX);
        let wanted = self.entries.iter().skip(skip).take_while(|(entry, _)| entry.log_id.index < range.end);
        (wanted.cloned().collect(), first)
    }

    fn pop_front(&mut self) {
        if let Some((_, size)) = self.entries.pop_front() {
            self.bytes -= size;
        }
    }
}
