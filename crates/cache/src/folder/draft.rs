use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that is being written where nobody looks for it. Unless it is put into its place it is gone when this is, or at the
/// next start.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    file: File,
    placed: bool,
}

/// What the names of drafts end with.
pub(super) const ENDING: &str = ".part";

impl Draft {
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { path, file, placed: false })
    }

    /// The file, to read what has been written.
    pub(crate) fn reader(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes it to the disk and gives it its name: whatever happens, there is nothing of that name, or the whole of it.
    pub(crate) fn place(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        self.placed = true;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "a draft stays until the next start");
        }
    }
}
