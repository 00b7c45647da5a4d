use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::loader::{LoadError, Loader};

/// Reads files from a folder: regular files of text that are in it, also behind symbolic links.
#[derive(Debug, Clone)]
pub struct FolderLoader {
    folder: PathBuf,
    limit: u64,
}

impl FolderLoader {
    /// Files of `folder` that are not larger than `limit` bytes.
    pub fn new(folder: impl Into<PathBuf>, limit: u64) -> Self {
        Self { folder: folder.into(), limit }
    }

    fn open(&self, path: &Path) -> Result<File, LoadError> {
        let folder = self.folder.canonicalize().map_err(unreadable)?;
        let path = folder.join(path).canonicalize().map_err(unreadable)?;
        if !path.starts_with(&folder) {
            return Err(LoadError::Outside);
        }
        // A pipe without a writer would block for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
        Ok(File::from(file))
    }
}

impl Loader for FolderLoader {
    fn read(&self, path: &str) -> Result<String, LoadError> {
        let file = self.open(Path::new(path))?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(LoadError::Folder);
        }
        if !metadata.is_file() {
            return Err(LoadError::Special);
        }
        let too_large = LoadError::TooLarge { limit: self.limit };
        if metadata.len() > self.limit {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        // It may have grown since.
        file.take(self.limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > self.limit {
            return Err(too_large);
        }
        let text = String::from_utf8(bytes);
        text.map_err(|error| LoadError::NotText { at: error.utf8_error().valid_up_to() })
    }
}

fn unreadable(error: std::io::Error) -> LoadError {
    match error.kind() {
        // Opening a socket, or a device that is not there, is refused before it can be looked at.
        _ if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => LoadError::Special,
        ErrorKind::NotFound | ErrorKind::NotADirectory => LoadError::Missing,
        ErrorKind::IsADirectory => LoadError::Folder,
        ErrorKind::PermissionDenied => LoadError::Unreadable("permission denied".into()),
        _ => LoadError::Unreadable(error.to_string()),
    }
}
