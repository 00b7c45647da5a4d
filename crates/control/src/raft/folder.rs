use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::folder_error::FolderError;
use super::snapshot::SnapshotFile;
use super::start::Start;
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

impl Label {
    /// What the folder says, or will say from now on if it is empty; of an older form it is brought to the present one.
    pub(super) fn open(disk: &Arc<dyn Disk>, server: &str, start: &Start) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: disk.path(LABEL), source };
        if let Some(text) = disk.read(LABEL).map_err(io)? {
            return Self::known(disk, &text, server, start);
        }
        let logs = log::files(&**disk).map_err(io)?;
        let others = [old_log::NAME, SnapshotFile::NAME];
        let others = others.into_iter().map(|name| disk.size(name)).collect::<Result<Vec<_>, _>>().map_err(io)?;
        if !logs.is_empty() || others.iter().any(Option::is_some) {
            let reason = "it is missing, though there is a log or a snapshot beside it; if `icefield recover` was interrupted \
                          here, the copy that it made beside this folder has everything";
            let reason = reason.to_owned();
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
            Some(found) if found > u64::from(FORMAT) => {
                Err(FolderError::Newer { path: disk.path(LABEL), found, reads: FORMAT })
            }
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
