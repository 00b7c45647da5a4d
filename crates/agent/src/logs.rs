use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::shim::rotated;

/// Reads what a replica wrote, across rotated files, from the oldest on.
#[derive(Debug)]
pub(crate) struct LogReader {
    path: PathBuf,
    file: Option<File>,
}

const PIECE: usize = 64 << 10;

impl LogReader {
    /// From the beginning of what is kept, or from the last `tail` lines.
    pub(crate) fn open(path: PathBuf, tail: Option<u64>) -> io::Result<Self> {
        let mut reader = Self { path, file: None };
        if let Some(lines) = tail {
            reader.file = reader.find_tail(lines)?;
        }
        Ok(reader)
    }

    /// The next piece; empty if there is none yet.
    pub(crate) fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let Some(file) = &mut self.file else {
                self.file = self.files()?.pop();
                if self.file.is_none() {
                    return Ok(Vec::new());
                }
                continue;
            };
            // Its writer may not be ours; then a full one is emptied.
            if file.metadata()?.len() < file.stream_position()? {
                file.seek(SeekFrom::Start(0))?;
            }
            let piece = read(file)?;
            if !piece.is_empty() {
                return Ok(piece);
            }
            let inode = file.metadata()?.ino();
            let mut files = self.files()?;
            let position = position(&files, inode)?;
            if position == Some(0) {
                return Ok(Vec::new());
            }
            // The writer is done with this file; what it wrote between the look at the file and at the others comes
            // first.
            let last = self.file.as_mut().map_or(Ok(Vec::new()), read)?;
            if !last.is_empty() {
                return Ok(last);
            }
            self.file = match position {
                Some(position) => Some(files.swap_remove(position - 1)),
                None => files.pop(),
            };
            if self.file.is_none() {
                return Ok(Vec::new());
            }
        }
    }

    /// The files that there are, newest first. They are held open, so one that is rotated or deleted stays the same.
    fn files(&self) -> io::Result<Vec<File>> {
        let mut files: Vec<File> = Vec::new();
        for number in 0.. {
            match File::open(rotated(&self.path, number)) {
                // Rotated while they were opened: the same file again, under its next name.
                Ok(file) if position(&files, file.metadata()?.ino())?.is_some() => {}
                Ok(file) => files.push(file),
                // Between two renames there is no file being written.
                Err(error) if error.kind() == io::ErrorKind::NotFound && number == 0 => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    /// The file that the last `lines` lines begin in, at the place where they do; none if all of them are wanted.
    fn find_tail(&self, lines: u64) -> io::Result<Option<File>> {
        let mut wanted = lines;
        let mut at_end = true;
        for mut file in self.files()? {
            let mut end = file.metadata()?.len();
            if lines == 0 {
                file.seek(SeekFrom::Start(end))?;
                return Ok(Some(file));
            }
            while end > 0 {
                let start = end.saturating_sub(PIECE as u64);
                file.seek(SeekFrom::Start(start))?;
                let mut piece = vec![0; usize::try_from(end - start).unwrap_or(PIECE)];
                file.read_exact(&mut piece)?;
                for (at, _) in piece.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
                    let after = start + at as u64 + 1;
                    // The very last line end closes a line, all others also begin one.
                    if at_end && at + 1 == piece.len() {
                        at_end = false;
                        continue;
                    }
                    wanted -= 1;
                    if wanted == 0 {
                        file.seek(SeekFrom::Start(after))?;
                        return Ok(Some(file));
                    }
                }
                at_end = false;
                end = start;
            }
        }
        Ok(None)
    }
}

fn position(files: &[File], inode: u64) -> io::Result<Option<usize>> {
    for (position, file) in files.iter().enumerate() {
        if file.metadata()?.ino() == inode {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

fn read(file: &mut File) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    let length = file.read(&mut piece)?;
    piece.truncate(length);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    struct Written {
        folder: tempfile::TempDir,
    }

    impl Written {
        /// Files from the newest to the oldest.
        fn new(texts: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let written = Self { folder };
            for (number, text) in texts.iter().enumerate() {
                fs::write(rotated(&written.path(), number as u32), text).unwrap();
            }
            written
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("log")
        }

        fn add(&self, text: &str) {
            let mut file = File::options().create(true).append(true).open(self.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            for number in (0..2).rev() {
                let _ = fs::rename(rotated(&self.path(), number), rotated(&self.path(), number + 1));
            }
        }

        fn tail(&self, lines: u64) -> String {
            rest(&mut LogReader::open(self.path(), Some(lines)).unwrap())
        }
    }

    fn rest(reader: &mut LogReader) -> String {
        let pieces = std::iter::from_fn(|| Some(reader.next().unwrap()).filter(|piece| !piece.is_empty()));
        String::from_utf8(pieces.flatten().collect()).unwrap()
    }

    #[test]
    fn all_of_it_is_oldest_first() {
        let written = Written::new(&["5\n", "3\n4\n", "1\n2\n"]);
        assert_eq!(rest(&mut LogReader::open(written.path(), None).unwrap()), "1\n2\n3\n4\n5\n");
    }

    #[test]
    fn the_last_lines_are_found_across_files() {
        let written = Written::new(&["5\n", "3\n4\n", "1\n2\n"]);
        let expected = ["", "5\n", "4\n5\n", "3\n4\n5\n", "2\n3\n4\n5\n", "1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n"];
        for (lines, expected) in expected.iter().enumerate() {
            assert_eq!(&written.tail(lines as u64), expected, "{lines}");
        }
        let unfinished = Written::new(&["b\nc", "a\n"]);
        assert_eq!(["c", "b\nc", "a\nb\nc"].map(str::to_owned), [1, 2, 3].map(|lines| unfinished.tail(lines)));
    }

    #[test]
    fn long_files_are_searched_in_pieces() {
        let text: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
        let written = Written::new(&[&text]);
        assert!(written.tail(20_000).starts_with("line 30000\n"));
        assert_eq!(written.tail(1), "line 49999\n");
    }

    #[test]
    fn what_is_added_follows_across_rotations() {
        let written = Written::new(&["1\n"]);
        let mut reader = LogReader::open(written.path(), Some(0)).unwrap();
        assert_eq!(rest(&mut reader), "");
        written.add("2\n");
        assert_eq!(rest(&mut reader), "2\n");
        written.add("3\n");
        written.rotate();
        written.add("4\n");
        written.rotate();
        assert_eq!(rest(&mut reader), "3\n4\n");
        written.add("5\n");
        assert_eq!(rest(&mut reader), "5\n");
        for text in ["6\n", "7\n", "8\n", "9\n"] {
            written.rotate();
            written.add(text);
        }
        assert_eq!(rest(&mut reader), "7\n8\n9\n", "what was rotated away is lost, and the rest still comes");
    }

    #[test]
    fn nothing_written_yet_is_nothing() {
        let written = Written::new(&[]);
        let mut reader = LogReader::open(written.path(), Some(10)).unwrap();
        assert_eq!(rest(&mut reader), "");
        written.add("1\n");
        assert_eq!(rest(&mut reader), "1\n");
    }
}
