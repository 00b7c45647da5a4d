use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How much of what a replica writes is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// A file that has reached this size is followed by a new one; a line is not torn for it, unless it is longer than
    /// 64 KiB beyond it.
    pub file_bytes: u64,
    /// How many files there are at most, the one being written among them; at least 1.
    pub files: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file_bytes: 8 << 20, files: 4 }
    }
}

/// A file that makes room for itself: `log` becomes `log.1` when it is full, `log.1` becomes `log.2`, and the oldest
/// goes.
#[derive(Debug)]
pub(super) struct RotatingLog {
    path: PathBuf,
    limits: LogLimits,
    file: Option<File>,
    size: u64,
    /// Whether the last byte ended a line.
    line_start: bool,
}

impl RotatingLog {
    /// How far a line may run beyond a full file.
    const OVERRUN: u64 = 64 << 10;

    /// Goes on with the file at `path`.
    pub(super) const fn new(path: PathBuf, limits: LogLimits) -> Self {
        Self { path, limits, file: None, size: 0, line_start: true }
    }

    /// Adds `bytes`. What cannot be written, because the disk is full, is lost: the replica must not stand still for it.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Ok(room) = self.room() else { return };
            let take = self.take(bytes, room);
            if take == 0 {
                self.rotate();
                continue;
            }
            let (now, later) = bytes.split_at(take);
            match self.file.as_mut().map(|file| file.write_all(now)) {
                Some(Ok(())) => {
                    self.size += take as u64;
                    self.line_start = now.ends_with(b"\n");
                }
                _ => self.file = None,
            }
            bytes = later;
        }
    }

    /// The bytes that the file can hold beyond what it has, with a line's overrun.
    fn room(&mut self) -> io::Result<u64> {
        if self.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            self.size = file.metadata()?.len();
            self.file = Some(file);
        }
        Ok((self.limits.file_bytes.max(1) + Self::OVERRUN).saturating_sub(self.size))
    }

    /// How many of `bytes` belong into the file as it is; none if it is full.
    fn take(&self, bytes: &[u8], room: u64) -> usize {
        let soft = usize::try_from(room.saturating_sub(Self::OVERRUN)).unwrap_or(usize::MAX);
        if bytes.len() <= soft {
            return bytes.len();
        }
        if let Some(end) = bytes[..soft].iter().rposition(|byte| *byte == b'\n') {
            return end + 1;
        }
        if self.line_start && self.size > 0 {
            return 0;
        }
        let hard = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        bytes[..hard].iter().position(|byte| *byte == b'\n').map_or(hard, |end| end + 1)
    }

    fn rotate(&mut self) {
        self.file = None;
        self.line_start = true;
        let last = self.limits.files.max(1) - 1;
        let mut moved = last > 0;
        for number in (1..=last).rev() {
            let (from, to) = (rotated(&self.path, number - 1), rotated(&self.path, number));
            moved &= std::fs::rename(from, to).is_ok() || number > 1;
        }
        if !moved {
            // Rather lose what is old than grow without bound.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes room in the log at `path` if it is full. Somebody else writes into it, always at its end, and goes on with the file
/// that it has: so that is copied and then emptied. What is written in between is lost.
pub(crate) fn make_room(path: &Path, limits: LogLimits) {
    if std::fs::metadata(path).is_ok_and(|data| data.len() > limits.file_bytes.max(1)) {
        let last = limits.files.max(1) - 1;
        for number in (1..last).rev() {
            let _ = std::fs::rename(rotated(path, number), rotated(path, number + 1));
        }
        if last > 0 {
            let _ = std::fs::copy(path, rotated(path, 1));
        }
        // Rather lose what is old than grow without bound.
        let _ = OpenOptions::new().write(true).truncate(true).open(path);
    }
}

/// The file that was rotated `number` times; 0 is the one being written.
pub(crate) fn rotated(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let path = folder.join("log");
        (0..10).map_while(|number| std::fs::read_to_string(rotated(&path, number)).ok()).collect()
    }

    fn log(folder: &Path, file_bytes: u64, files: u32) -> RotatingLog {
        RotatingLog::new(folder.join("log"), LogLimits { file_bytes, files })
    }

    #[test]
    fn lines_stay_whole_and_the_oldest_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 10, 3);
        log.write(b"one\ntwo\nthree\n");
        log.write(b"four\nfive\nsix\nseven\n");
        assert_eq!(files(folder.path()), ["six\nseven\n", "four\nfive\n", "three\n"].map(str::to_owned));
    }

    #[test]
    fn a_line_written_in_parts_is_not_torn() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 10, 3);
        for part in ["abcdefgh", "ijkl", "mn\nnext\n"] {
            log.write(part.as_bytes());
        }
        assert_eq!(files(folder.path()), ["next\n", "abcdefghijklmn\n"].map(str::to_owned));
    }

    #[test]
    fn an_endless_line_is_bounded_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 1000, 2);
        for _ in 0..100 {
            log.write(&[b'x'; 8192]);
        }
        let sizes: Vec<usize> = files(folder.path()).iter().map(String::len).collect();
        assert!(sizes.len() == 2 && sizes.iter().all(|size| *size as u64 <= 1000 + RotatingLog::OVERRUN), "{sizes:?}");
    }

    #[test]
    fn the_next_run_goes_on_where_the_last_one_stopped() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 10, 2).write(b"first\n");
        log(folder.path(), 10, 2).write(b"second\n");
        assert_eq!(files(folder.path()), ["second\n", "first\n"].map(str::to_owned));
    }

    proptest::proptest! {
        /// However it is written, what is kept is the end of it, in whole lines, within bounds.
        #[test]
        fn what_is_kept_is_the_end_of_what_was_written(pieces in proptest::collection::vec("[a-c\n]{0,12}", 0..40)) {
            let folder = tempfile::tempdir().unwrap();
            let mut log = log(folder.path(), 16, 3);
            pieces.iter().for_each(|piece| log.write(piece.as_bytes()));
            let (written, kept) = (pieces.concat(), files(folder.path()));
            let longest = written.split_inclusive('\n').map(str::len).max().unwrap_or(0);
            let joined: String = kept.iter().rev().map(String::as_str).collect();
            assert!(written.ends_with(&joined), "{joined:?} of {written:?}");
            assert!(joined.len() == written.len() || kept.len() == 3, "lost though there was room");
            for (number, file) in kept.iter().enumerate() {
                assert!(file.len() <= 16 + longest, "{file:?}");
                assert!(number == 0 || file.ends_with('\n'), "torn: {file:?}");
            }
        }
    }

    #[test]
    fn a_writer_that_goes_on_finds_room_in_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut writer = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        for text in ["first line\n", "second line\n", "third line\n", "x\n"] {
            make_room(&path, LogLimits { file_bytes: 5, files: 3 });
            writer.write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(files(folder.path()), ["x\n", "third line\n", "second line\n"].map(str::to_owned));
    }

    #[test]
    fn one_file_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 10, 1);
        log.write(b"one\ntwo\nthree\nfour\n");
        assert_eq!(files(folder.path()), ["four\n".to_owned()]);
    }
}
