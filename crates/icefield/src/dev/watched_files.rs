use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// Files that are looked at now and then for changes.
#[derive(Debug)]
pub(super) struct WatchedFiles {
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// What changes when a file does.
type Stamp = (SystemTime, u64);

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

    /// Whether any of them is not as it was when this was last asked.
    pub(super) fn have_changed(&mut self) -> bool {
        let mut changed = false;
        for (file, known) in &mut self.files {
            let now = stamp(file);
            changed |= now != *known;
            *known = now;
        }
        changed
    }
}

fn stamp(file: &PathBuf) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
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
        fs::remove_file(&file).unwrap();
        assert!(watched.have_changed());
    }
}
