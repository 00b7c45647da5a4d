use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a file that should hold a record is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} does not hold what it should: {source}", path.display())]
    Corrupt { path: PathBuf, source: serde_json::Error },
    #[error("cannot write {}: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

/// How much a record must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The end of the process that wrote it.
    ThisBoot,
    /// A power cut.
    Durably,
}

/// The record in `path`; `None` if there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RecordError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RecordError::Unreadable { path: path.into(), source }),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| RecordError::Corrupt { path: path.into(), source })
}

/// Puts a record into `path`; a reader sees the one before or this one, never a part.
///
/// Only the owner may read it: records hold environments, and those hold secrets.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T, keep: Keep) -> Result<(), RecordError> {
    put(path, value, keep, 0o600).map_err(|source| RecordError::Unwritable { path: path.into(), source })
}

/// As [`write`], for all to read.
pub(crate) fn publish<T: Serialize>(path: &Path, value: &T) -> Result<(), RecordError> {
    put(path, value, Keep::ThisBoot, 0o644).map_err(|source| RecordError::Unwritable { path: path.into(), source })
}

/// Deletes a record; that there is none is no error.
pub(crate) fn delete(path: &Path) -> Result<(), RecordError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(RecordError::Unwritable { path: path.into(), source })
        }
        _ => Ok(()),
    }
}

fn put<T: Serialize>(path: &Path, value: &T, keep: Keep, mode: u32) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&new)?;
    file.write_all(&text)?;
    if keep == Keep::Durably {
        file.sync_all()?;
    }
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if keep == Keep::Durably => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_junk_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert!(read::<Vec<u32>>(&path).unwrap().is_none());
        write(&path, &vec![1, 2], Keep::Durably).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), Some(vec![1, 2]));
        std::fs::write(&path, b"\xff\x00 junk").unwrap();
        let error = read::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(error.contains("a.json does not hold what it should"), "{error}");
        delete(&path).unwrap();
        delete(&path).unwrap();
        assert!(!path.exists());
    }
}
