use std::io;
use std::sync::{Arc, Mutex};

use super::contents::Contents;
use super::error::LogError;
use super::frame::Frame;
use super::tail::{Last, Tail};
use super::{LogDisk, mark, name, numbers, record};
use crate::raft::disk::Disk;
use crate::raft::folder_error::FolderError;

impl LogDisk {
    /// Opens the log, or makes it.
    pub(in crate::raft) fn open(disk: Arc<dyn Disk>) -> Result<Self, FolderError> {
        let unusable = |file: &str, source| FolderError::Io { path: disk.path(file), source };
        let claim = disk.claim().map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => FolderError::InUse { path: disk.path("") },
            _ => unusable("", source),
        })?;
        let (contents, mut tail) = read(&*disk).map_err(|error| match error {
            LogError::Damaged { file, reason } => FolderError::Damaged { path: disk.path(&file), reason },
            LogError::Io(source) => unusable("", source),
            LogError::TooLarge => FolderError::Damaged { path: disk.path(""), reason: error.to_string() },
        })?;
        let contents = Mutex::new(contents);
        if tail.file.is_none() {
            tail.begin(0, &*disk, &contents).map_err(|error| unusable(&name(1), io::Error::other(error)))?;
        }
        Ok(Self { disk, tail: Mutex::new(tail), contents, _claim: claim })
    }
}

/// What the files say, and where they are gone on with.
fn read(disk: &dyn Disk) -> Result<(Contents, Tail), LogError> {
    let mut contents = Contents::default();
    let mut tail = Tail { next: 1, file: None };
    let numbers = numbers(disk)?;
    for number in &numbers {
        let is_first = tail.file.is_none();
        let damaged = |reason: String| LogError::Damaged { file: name(*number), reason };
        let bytes = disk.read(&name(*number))?.unwrap_or_default();
        let frames = Frame::scan(&bytes, (!is_first).then_some(tail.next)).map_err(damaged)?;
        let Some(last) = frames.last() else {
            // A file that was just being begun, when there was a crash.
            if Some(number) == numbers.last() && (!is_first || !mark::is_set(disk)?) {
                disk.remove(&name(*number))?;
                break;
            }
            return Err(damaged(if bytes.is_empty() { "it is empty" } else { "it cannot be read as a log" }.into()));
        };
        if let Some(before) = &tail.file
            && before.number + 1 != *number
        {
            return Err(damaged(format!("the one before, {}, is missing", name(number - 1))));
        }
        for frame in &frames {
            let take = |record| contents.take(record, *number);
            record::read(&bytes[frame.body.clone()], frame.body.start, take).map_err(damaged)?;
        }
        let file = disk.open(&name(*number))?;
        contents.files.insert(*number, Arc::clone(&file));
        let length = disk.log_file().max(bytes.len() as u64);
        tail =
            Tail { next: last.number + 1, file: Some(Last { number: *number, file, at: last.end() as u64, length }) };
    }
    let file = name(tail.file.as_ref().map_or(1, |last| last.number));
    let damaged = |reason| LogError::Damaged { file: file.clone(), reason };
    contents.check().map_err(damaged)?;
    if tail.file.is_none() && mark::is_set(disk)? {
        return Err(damaged("it is missing".into()));
    }
    match mark::get(disk)? {
        Some(marked) if marked >= tail.next => {
            let last = tail.next - 1;
            Err(damaged(format!("it ends with write {last}, though write {marked} was made and acknowledged")))
        }
        _ => Ok((contents, tail)),
    }
}
