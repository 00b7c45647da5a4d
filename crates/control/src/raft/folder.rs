use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The version of the folder's form that this code reads and writes.
const FORMAT: u32 = 1;

/// The folder in which one server keeps its log and its snapshot.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What a folder says of itself, in `server.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    format: u32,
    server: String,
    group: Vec<String>,
}

/// Why a server's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It was written by a later version.
    #[error(
        "{path} has format {found}, written by a newer icefield; this one reads format {FORMAT}: start the newer one"
    )]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// The format it has.
        found: u64,
    },
    /// It is another server's.
    #[error("{path} holds the data of server {owner:?}; give server {server:?} a folder of its own")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who wanted it.
        server: String,
    },
    /// It is of a group with other members.
    #[error(
        "{path} holds the data of a group of {}, and this server is started in a group of {}; start it with the same \
         servers as before", before.join(", "), now.join(", ")
    )]
    OtherGroup {
        /// The folder.
        path: PathBuf,
        /// The members before.
        before: Vec<String>,
        /// The members now.
        now: Vec<String>,
    },
    /// Another server uses it now.
    #[error("{path} is in use by another running server; stop that one first, or choose another folder")]
    InUse {
        /// The file that is locked.
        path: PathBuf,
    },
    /// A file in it is damaged.
    #[error(
        "{path} is damaged: {reason}; if the other servers of the group run, move the folder {} away and start again \
         with an empty one, and it is filled from them", path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Folder {
    /// Opens the folder for `server`, one of `group`; makes it if it is not there.
    pub(super) fn open(path: &Path, server: &str, group: &[String]) -> Result<Self, FolderError> {
        let folder = Self { path: path.to_owned() };
        fs::create_dir_all(path).map_err(|source| FolderError::Io { path: path.to_owned(), source })?;
        let label_path = folder.label();
        match fs::read(&label_path) {
            Ok(text) => folder.check(&text, server, group)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if folder.log().exists() {
                    let reason = "it is missing, though there is a log beside it".into();
                    return Err(FolderError::Damaged { path: label_path, reason });
                }
                let label = Label { format: FORMAT, server: server.into(), group: group.to_vec() };
                let text = serde_json::to_vec_pretty(&label).map_err(io::Error::from);
                text.and_then(|text| write_atomically(&label_path, &text))
                    .map_err(|source| FolderError::Io { path: label_path, source })?;
            }
            Err(source) => return Err(FolderError::Io { path: label_path, source }),
        }
        Ok(folder)
    }

    fn check(&self, text: &[u8], server: &str, group: &[String]) -> Result<(), FolderError> {
        let damaged = |error: serde_json::Error| FolderError::Damaged { path: self.label(), reason: error.to_string() };
        // The format is read by itself first: a newer form may have other fields.
        let value: serde_json::Value = serde_json::from_slice(text).map_err(damaged)?;
        if let Some(found) = value.get("format").and_then(serde_json::Value::as_u64)
            && found > u64::from(FORMAT)
        {
            return Err(FolderError::Newer { path: self.label(), found });
        }
        let label: Label = serde_json::from_value(value).map_err(damaged)?;
        if label.server != server {
            let (owner, server) = (label.server, server.to_owned());
            return Err(FolderError::Foreign { path: self.path.clone(), owner, server });
        }
        if label.group != group {
            let (before, now) = (label.group, group.to_vec());
            return Err(FolderError::OtherGroup { path: self.path.clone(), before, now });
        }
        Ok(())
    }

    fn label(&self) -> PathBuf {
        self.path.join("server.json")
    }

    /// The log's file.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log.redb")
    }

    /// The snapshot's file.
    pub(super) fn snapshot(&self) -> PathBuf {
        self.path.join("snapshot")
    }
}

/// Writes a file so that after a crash it is either as before or as it should be.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    #[test]
    fn a_folder_is_opened_again_by_its_server_alone() {
        let home = tempfile::tempdir().unwrap();
        Folder::open(home.path(), "a", &group()).unwrap();
        Folder::open(home.path(), "a", &group()).unwrap();
        assert!(matches!(Folder::open(home.path(), "b", &group()), Err(FolderError::Foreign { .. })));
        assert!(matches!(Folder::open(home.path(), "a", &["a".into()]), Err(FolderError::OtherGroup { .. })));
    }

    #[test]
    fn a_newer_format_and_junk_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let label = home.path().join("server.json");
        fs::write(&label, r#"{"format": 2, "whatever": true}"#).unwrap();
        let error = Folder::open(home.path(), "a", &group()).unwrap_err();
        assert!(error.to_string().contains("newer icefield"), "{error}");
        for junk in ["", "\u{0}\u{1}", "{}", "[1]"] {
            fs::write(&label, junk).unwrap();
            assert!(matches!(Folder::open(home.path(), "a", &group()), Err(FolderError::Damaged { .. })), "{junk:?}");
        }
    }

    #[test]
    fn a_log_without_a_label_is_not_taken_over() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("log.redb"), "x").unwrap();
        assert!(matches!(Folder::open(home.path(), "a", &group()), Err(FolderError::Damaged { .. })));
    }
}
