use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use openraft::{CommittedLeaderId, EntryPayload};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use super::disk::Disk;
use super::folder::{LABEL, Label};
use super::folder_error::FolderError;
use super::group::Group;
use super::log::{self, Change, LogDisk};
use super::members::Member;
use super::propose::ProposeError;
use super::snapshot::{self, Image, SnapshotFile};
use super::types::{LogId, Membership, Vote};
use crate::State;
use crate::vault::{RecoveryError, RestoreSecrets, take_over};

/// Why a folder was not made from a backup.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is no backup, or a damaged one.
    #[error("this is not a backup that can be restored: {0}")]
    Damaged(String),
    /// There is a server's data already.
    #[error("{path} holds the data of a server; restore into an empty folder")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its secrets cannot be opened.
    #[error(transparent)]
    Secrets(#[from] RecoveryError),
}

/// What a backup or a folder came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The state's version.
    pub version: u64,
    /// How many log entries were taken over that this server does not know to have been agreed on.
    pub unconfirmed: u64,
}

/// What the folder of a stopped server knows.
#[derive(Debug)]
pub struct Known {
    /// The server.
    pub server: String,
    /// The version of the state with all that is in its log.
    pub version: u64,
    /// How many entries of its log it does not know to have been agreed on.
    pub unconfirmed: u64,
    commands: u64,
    state: State,
}

impl Group {
    /// The state, with all that was agreed on before this was called, as a backup. Only a leader can make one.
    pub async fn backup(&self) -> Result<Bytes, ProposeError> {
        let state = self.current_state().await?;
        let image = Image { commands: state.version, ..Image::default() };
        snapshot::encode(&image, &state).map_err(|error| ProposeError::Stopped(error.to_string()))
    }
}

/// Makes the folder of a new group, of `me` alone, from a backup. The group is called `group`, by which servers of the
/// one that was backed up do not take it for theirs.
pub fn restore(
    disk: &Arc<dyn Disk>,
    me: Member,
    group: String,
    backup: &[u8],
    secrets: RestoreSecrets<'_>,
) -> Result<Restored, RestoreError> {
    let (image, mut state) = snapshot::decode(backup).map_err(RestoreError::Damaged)?;
    let io = |source| FolderError::Io { path: disk.path(""), source };
    let names = disk.names().map_err(io)?;
    let logs = log::files(&**disk).map_err(io)?;
    if names.iter().any(|name| [LABEL, SnapshotFile::NAME].contains(&name.as_str()) || logs.contains(name)) {
        return Err(RestoreError::NotEmpty { path: disk.path("") });
    }
    let version = state.version;
    take_over(&mut state, &me.name, &disk.path(""), secrets)?;
    begin(disk, me, group, image.commands, state)?;
    Ok(Restored { version, unconfirmed: 0 })
}

/// Makes a group of this server alone from the folder of one whose others are gone for good; `aside` is where the
/// folder's files are kept as they were.
///
/// What most servers had agreed on and this one had not heard of is lost. What this one had heard of and most had not
/// agreed on comes into force.
pub fn recover(disk: &Arc<dyn Disk>, api: &str, group: String, aside: &dyn Disk) -> Result<Restored, RestoreError> {
    let Known { server, version, unconfirmed, commands, state } = known(disk)?;
    let io = |disk: &dyn Disk, name: &str, source| FolderError::Io { path: disk.path(name), source };
    let logs = log::files(&**disk).map_err(|source| io(&**disk, "", source))?;
    for name in [LABEL, SnapshotFile::NAME].into_iter().chain(logs.iter().map(String::as_str)) {
        if let Some(content) = disk.read(name).map_err(|source| io(&**disk, name, source))? {
            aside.replace(name, &content).map_err(|source| io(aside, name, source))?;
        }
    }
    // Without it the folder is no server's: if this is interrupted, nobody takes what is left for all that there was.
    disk.remove(LABEL).map_err(|source| io(&**disk, LABEL, source))?;
    begin(disk, Member::new(server, api), group, commands, state)?;
    Ok(Restored { version, unconfirmed })
}

impl Known {
    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// All that the folder of a stopped server knows.
pub fn known(disk: &Arc<dyn Disk>) -> Result<Known, FolderError> {
    let label = Label::read(disk)?;
    let (mut image, mut state) = SnapshotFile::new(Arc::clone(disk)).load()?;
    let damaged = |reason: String| FolderError::Damaged { path: disk.path(""), reason };
    let log = LogDisk::open(Arc::clone(disk))?;
    let from = image.applied.map_or(0, |applied| applied.index + 1);
    let committed = log.committed().map_or(0, |committed| committed.index);
    let (entries, _) = log.read(&(from..u64::MAX), usize::MAX).map_err(|error| damaged(error.to_string()))?;
    let mut unconfirmed = 0;
    for (entry, _) in entries {
        if let EntryPayload::Normal(batch) = entry.payload {
            unconfirmed += u64::from(entry.log_id.index > committed);
            for command in batch.commands().map_err(|error| damaged(error.to_string()))? {
                image.commands += 1;
                state.apply(image.commands, command);
            }
        }
    }
    Ok(Known { server: label.server, version: state.version, unconfirmed, commands: image.commands, state })
}

/// A name for a new group: random, so that no other has it.
pub fn new_group() -> String {
    let mut name = [0; 16];
    SmallRng::from_entropy().fill_bytes(&mut name);
    name.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the folder of a group of one server. The label comes last: without it the folder is no server's.
fn begin(disk: &Arc<dyn Disk>, me: Member, group: String, commands: u64, mut state: State) -> Result<(), FolderError> {
    state.begin_anew();
    let label = Label::alone(&me.name, group);
    let applied = LogId::new(CommittedLeaderId::new(1, label.number), 1);
    let members = openraft::Membership::new(vec![[label.number].into()], BTreeMap::from([(label.number, me)]));
    let membership = Membership::new(Some(applied), members);
    let image = Image { applied: Some(applied), membership, commands };
    let write = |name: &str, content: io::Result<Bytes>| {
        let written = content.and_then(|content| disk.replace(name, &content));
        written.map_err(|source| FolderError::Io { path: disk.path(name), source })
    };
    write(SnapshotFile::NAME, snapshot::encode(&image, &state))?;
    log::remove(&**disk).map_err(|source| FolderError::Io { path: disk.path(""), source })?;
    let log = LogDisk::open(Arc::clone(disk))?;
    let changes = [Change::Vote(Vote::new(1, label.number)), Change::Purge(applied)];
    log.write(&changes, Some(applied))
        .map_err(|error| FolderError::Damaged { path: disk.path(""), reason: error.to_string() })?;
    drop(log);
    label.write(&**disk).map_err(|source| FolderError::Io { path: disk.path(LABEL), source })
}
