use std::sync::{Arc, Mutex, PoisonError};

use super::contents::Contents;
use super::error::LogError;
use super::frame::{self, Frame};
use super::{mark, name, record};
use crate::raft::disk::{Disk, DiskFile};

/// Where the log is written next.
#[derive(Debug)]
pub(super) struct Tail {
    /// The number of the next write.
    pub(super) next: u64,
    /// The file that is written; a log that is just being made has none yet.
    pub(super) file: Option<Last>,
}

/// The last of the log's files.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) number: u64,
    pub(super) file: Arc<dyn DiskFile>,
    /// Where the next frame begins.
    pub(super) at: u64,
    /// How long it may get.
    pub(super) length: u64,
}

impl Tail {
    /// Makes one write of these records. They are on the disk when this returns, and `contents` have what they say.
    pub(super) fn write(
        &mut self,
        records: &[u8],
        disk: &dyn Disk,
        contents: &Mutex<Contents>,
    ) -> Result<(), LogError> {
        let size = Frame::size(records) as u64;
        if self.file.as_ref().is_none_or(|last| last.at + size > last.length) {
            self.begin(size, disk, contents)?;
        }
        let Some(last) = &mut self.file else { return Ok(()) };
        let frame = Frame::encode(self.next, records)?;
        last.file.write_at(last.at, &frame)?;
        last.file.sync()?;
        let damaged = |reason| LogError::Damaged { file: name(last.number), reason };
        let place = usize::try_from(last.at).map_err(|_| LogError::TooLarge)? + frame::HEAD;
        let mut contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
        record::read(records, place, |record| contents.take(record, last.number)).map_err(damaged)?;
        self.next += 1;
        last.at += size;
        Ok(())
    }

    /// Begins the next file, with the facts and room for `size` bytes. Should that fail, the present one is still the last.
    pub(super) fn begin(&mut self, size: u64, disk: &dyn Disk, contents: &Mutex<Contents>) -> Result<(), LogError> {
        let mut contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
        let mut records = Vec::new();
        contents.facts().iter().try_for_each(|fact| record::change(&mut records, fact))?;
        let first = Frame::encode(self.next, &records)?;
        let at = first.len() as u64;
        let length = disk.log_file().max(at + size);
        let number = self.file.as_ref().map_or(1, |last| last.number + 1);
        let begun = disk.create(&name(number), length).and_then(|file| {
            file.write_at(0, &first)?;
            file.sync()?;
            Ok(file)
        });
        let file = begun.inspect_err(|_| drop(disk.remove(&name(number))))?;
        mark::set(disk, self.next)?;
        contents.files.insert(number, Arc::clone(&file));
        self.file = Some(Last { number, file, at, length });
        self.next += 1;
        Ok(())
    }
}
