use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::group::Start;
use super::{log, migrate, old_log};

/// The version of the folder's form that this code writes. It reads this one and those before.
const FORMAT: u32 = 3;

/// The name of the file in which a folder says what it is.
pub(super) const LABEL: &str = "server.json";

/// What a server's folder says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label {
    format: u32,
    /// The server's name.
    pub(super) server: String,
    /// Its number in the group.
    pub(super) number: u64,
    /// The group that it is of.
    pub(super) group: String,
    /// The servers that formed the group together, if this one did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    founders: Vec<String>,
}

/// What the first version wrote instead.
#[derive(Debug, Deserialize)]
struct FirstLabel {
    server: String,
    group: Vec<String>,
}

/// Whether a folder is a server's already.
pub fn is_used(disk: &dyn Disk) -> bool {
    disk.size(LABEL).is_ok_and(|size| size.is_some())
}

/// Why a server's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It was written by a later version.
    #[error(
        "{path} has format {found}, written by a newer icefield; this one reads up to format {FORMAT}: start the newer \
         one"
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
    /// It is of a group that other servers formed.
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
    /// A server that is to form or join a group is of one already.
    #[error(
        "{path} holds the data of a server; start it without --join and it goes on, or give the new one a folder of its own"
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to go on from.
    #[error("{path} holds no server's data; form a new cluster (--new-cluster) or join one (--join URL --token TOKEN)")]
    Empty {
        /// The folder.
        path: PathBuf,
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

impl Label {
    /// What the folder says, or will say from now on if it is empty; of an older form it is brought to the present one.
    pub(super) fn open(disk: &Arc<dyn Disk>, server: &str, start: &Start) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: disk.path(LABEL), source };
        if let Some(text) = disk.read(LABEL).map_err(io)? {
            return Self::known(disk, &text, server, start);
        }
        let logs = log::files(&**disk).map_err(io)?;
        if !logs.is_empty() || disk.size(old_log::NAME).map_err(io)?.is_some() {
            let reason = "it is missing, though there is a log beside it".into();
            return Err(FolderError::Damaged { path: disk.path(LABEL), reason });
        }
        let (number, group, founders) = match start {
            Start::Form(founders) => (founders.number(server).unwrap_or_default(), founders.group(), founders.names()),
            Start::Join { number, group } => (*number, group.clone(), Vec::new()),
            Start::Resume => return Err(FolderError::Empty { path: disk.path("") }),
        };
        let label = Self { format: FORMAT, server: server.into(), number, group, founders };
        label.write(&**disk).map_err(io)?;
        Ok(label)
    }

    /// The label of a group of this server alone.
    pub(super) fn alone(server: &str, group: String) -> Self {
        Self { format: FORMAT, server: server.into(), number: 1, group, founders: vec![server.into()] }
    }

    /// What a folder that is there says.
    pub(super) fn read(disk: &Arc<dyn Disk>) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: disk.path(LABEL), source };
        let text = disk.read(LABEL).map_err(io)?;
        let text = text.ok_or_else(|| FolderError::Empty { path: disk.path("") })?;
        Self::parse(disk, &text, None)
    }

    fn known(disk: &Arc<dyn Disk>, text: &[u8], server: &str, start: &Start) -> Result<Self, FolderError> {
        let label = Self::parse(disk, text, Some(start))?;
        if label.server != server {
            let (owner, server) = (label.server, server.to_owned());
            return Err(FolderError::Foreign { path: disk.path(""), owner, server });
        }
        match start {
            Start::Form(founders) if founders.names() != label.founders => {
                let (before, now) = (label.founders, founders.names());
                Err(FolderError::OtherGroup { path: disk.path(""), before, now })
            }
            Start::Join { number, group } if (*number, group) != (label.number, &label.group) => {
                Err(FolderError::NotEmpty { path: disk.path("") })
            }
            _ => Ok(label),
        }
    }

    fn parse(disk: &Arc<dyn Disk>, text: &[u8], start: Option<&Start>) -> Result<Self, FolderError> {
        let damaged =
            |error: serde_json::Error| FolderError::Damaged { path: disk.path(LABEL), reason: error.to_string() };
        // The format is read by itself first: another form may have other fields.
        let value: serde_json::Value = serde_json::from_slice(text).map_err(damaged)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if found > u64::from(FORMAT) => Err(FolderError::Newer { path: disk.path(LABEL), found }),
            Some(1) => {
                let FirstLabel { server, group: founders } = serde_json::from_value(value).map_err(damaged)?;
                let number = founders.iter().position(|founder| *founder == server).map_or(0, |at| at as u64 + 1);
                let group = match start {
                    Some(Start::Form(now)) => now.group(),
                    _ => founders.join(","),
                };
                Self { format: 1, server, number, group, founders }.migrated(disk)
            }
            Some(2) => serde_json::from_value::<Self>(value).map_err(damaged)?.migrated(disk),
            _ => serde_json::from_value(value).map_err(damaged),
        }
    }

    /// Brings the folder from this label's format to the present one.
    fn migrated(self, disk: &Arc<dyn Disk>) -> Result<Self, FolderError> {
        migrate::migrate(disk, &self.founders)?;
        let label = Self { format: FORMAT, ..self };
        label.write(&**disk).map_err(|source| FolderError::Io { path: disk.path(LABEL), source })?;
        migrate::tidy(&**disk)?;
        Ok(label)
    }

    /// Writes it into the folder.
    pub(super) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.replace(LABEL, &serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::disk::FolderDisk;
    use super::super::members::{Founders, Member};
    use super::*;

    fn form(names: &[&str]) -> Start {
        Start::Form(Founders::new(names.iter().map(|name| Member::new(*name, "")).collect()))
    }

    fn disk(home: &tempfile::TempDir) -> Arc<dyn Disk> {
        Arc::new(FolderDisk::open(home.path().to_owned()).unwrap())
    }

    #[test]
    fn a_folder_is_opened_again_by_its_server_alone() {
        let home = tempfile::tempdir().unwrap();
        let (disk, group) = (disk(&home), form(&["a", "b"]));
        assert!(matches!(Label::open(&disk, "a", &Start::Resume), Err(FolderError::Empty { .. })));
        let label = Label::open(&disk, "a", &group).unwrap();
        assert_eq!(Label::open(&disk, "a", &group).unwrap(), label);
        assert_eq!(Label::open(&disk, "a", &Start::Resume).unwrap(), label);
        assert!(matches!(Label::open(&disk, "b", &group), Err(FolderError::Foreign { .. })));
        assert!(matches!(Label::open(&disk, "a", &form(&["a"])), Err(FolderError::OtherGroup { .. })));
        let join = Start::Join { number: 9, group: "g".into() };
        assert!(matches!(Label::open(&disk, "a", &join), Err(FolderError::NotEmpty { .. })));
    }

    #[test]
    fn a_newer_format_and_junk_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let (disk, group) = (disk(&home), form(&["a", "b"]));
        let label = home.path().join(LABEL);
        fs::write(&label, r#"{"format": 4, "whatever": true}"#).unwrap();
        let error = Label::open(&disk, "a", &group).unwrap_err();
        assert!(error.to_string().contains("newer icefield"), "{error}");
        for junk in ["", "\u{0}\u{1}", "{}", "[1]"] {
            fs::write(&label, junk).unwrap();
            assert!(matches!(Label::open(&disk, "a", &group), Err(FolderError::Damaged { .. })), "{junk:?}");
        }
    }

    #[test]
    fn a_log_without_a_label_is_not_taken_over() {
        for log in ["log.redb", "log-00000001"] {
            let home = tempfile::tempdir().unwrap();
            fs::write(home.path().join(log), "x").unwrap();
            assert!(matches!(Label::open(&disk(&home), "a", &form(&["a"])), Err(FolderError::Damaged { .. })), "{log}");
        }
    }
}
