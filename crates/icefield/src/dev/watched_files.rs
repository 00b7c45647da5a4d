use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use icefield_spec::Revision;

/// Files that are looked at now and then for changes.
#[derive(Debug)]
pub(super) struct WatchedFiles {
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// What a file is like: when it was written and how long it is, which are cheap to look at, and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    written: SystemTime,
    length: u64,
    content: Revision,
}

impl WatchedFiles {
    /// Watches these files as they are now.
    pub(super) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: files.into_iter().map(|file| (file.clone(), stamp(&file))).collect() }
    }

    /// Watches these files from now on. One that was watched before is compared with what it was then, so that no change
    /// is missed that came meanwhile.
    pub(super) fn follow(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let known = std::mem::take(&mut self.files);
        self.files = Self::new(files).files;
        for (file, seen) in &mut self.files {
            if let Some((_, before)) = known.iter().find(|(path, _)| path == file) {
                *seen = *before;
            }
        }
    }

    /// Whether what is in any of them is not as it was when this was last asked. A file that was saved as it was has not
    /// changed.
    pub(super) fn have_changed(&mut self) -> bool {
        let mut changed = false;
        for (file, known) in &mut self.files {
            let now = match *known {
                Some(known) if outside(file) == Some((known.written, known.length)) => continue,
                _ => stamp(file),
            };
            changed |= now.map(|now| now.content) != known.map(|known| known.content);
            *known = now;
        }
        changed
    }
}

/// What can be told of a file without reading it.
fn outside(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn stamp(file: &Path) -> Option<Stamp> {
    // Looked at first: what is written while it is read is seen as another change.
    let (written, length) = outside(file)?;
    Some(Stamp { written, length, content: Revision::of(&fs::read(file).ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_while_nobody_looked_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.star"), folder.path().join("new.star"));
        fs::write(&old, "1").unwrap();
        let mut watched = WatchedFiles::new([old.clone()]);
        fs::write(&old, "22").unwrap();
        watched.follow([old, new]);
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
    }

    #[test]
    fn tells_a_change_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.star");
        fs::write(&file, "1").unwrap();
        let mut watched = WatchedFiles::new([file.clone(), folder.path().join("missing.star")]);
        assert!(!watched.have_changed());
        fs::write(&file, "22").unwrap();
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        fs::write(&file, "22").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        assert!(!watched.have_changed(), "saved as it was");
        fs::remove_file(&file).unwrap();
        assert!(watched.have_changed());
    }
}
