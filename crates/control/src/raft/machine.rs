use std::io;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, StorageIOError as IoError};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, watch};

use super::folder_error::FolderError;
use super::snapshot::{self, Image, SnapshotFile};
use super::types::{Entry, LogId, Membership, SnapshotMeta, StorageError, TypeConfig};
use crate::blocking::blocking;
use crate::{Applied, State};

/// The state as readers see it.
///
/// A reader takes the state with it and computes on that; while one does, the next change is made to a copy. So neither
/// waits for the other longer than a change or a copy takes.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    state: Arc<RwLock<Arc<State>>>,
    changes: watch::Sender<u64>,
    /// How many bytes of commands have been applied since the start.
    bytes: watch::Sender<u64>,
}

impl Shared {
    fn new(state: State) -> Self {
        let changes = watch::Sender::new(state.version);
        Self { state: Arc::new(RwLock::new(Arc::new(state))), changes, bytes: watch::Sender::new(0) }
    }

    /// The state as it is now.
    pub(super) async fn get(&self) -> Arc<State> {
        Arc::clone(&*self.state.read().await)
    }

    /// Sees the state's version change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Sees how many bytes of commands are applied.
    pub(super) fn bytes(&self) -> watch::Receiver<u64> {
        self.bytes.subscribe()
    }

    fn publish(&self, version: u64) {
        self.changes.send_if_modified(|before| std::mem::replace(before, version) != version);
    }
}

/// Applies the log's commands to the state, and keeps snapshots of it.
#[derive(Debug)]
pub(super) struct Machine {
    shared: Shared,
    image: Image,
    file: SnapshotFile,
}

impl Machine {
    /// Batches of more bytes than this are applied where they keep no other task from running.
    const LARGE: usize = 64 << 10;

    /// Starts from the snapshot in `file`, if there is one.
    pub(super) fn open(file: SnapshotFile) -> Result<Self, FolderError> {
        let (image, state) = file.load()?;
        Ok(Self { shared: Shared::new(state), image, file })
    }

    /// The state for readers.
    pub(super) fn shared(&self) -> Shared {
        self.shared.clone()
    }

    async fn replace(&mut self, image: Image, state: State) {
        let version = state.version;
        *self.shared.state.write().await = Arc::new(state);
        self.image = image;
        self.shared.publish(version);
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok((self.image.applied, self.image.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Vec<Applied>>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let size: usize = entries.iter().map(size).sum();
        let state = Arc::clone(&self.shared.state).write_owned().await;
        let image = self.image.clone();
        let Outcome { image, version, applied } = if size > Self::LARGE {
            let applied = blocking(move || apply(state, image, entries)).await;
            applied.map_err(|error| IoError::write_state_machine(&error))?
        } else {
            apply(state, image, entries)
        }
        .map_err(|error| *error)?;
        self.image = image;
        self.shared.publish(version);
        self.shared.bytes.send_modify(|bytes| *bytes += size as u64);
        Ok(applied)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { image: self.image.clone(), state: self.shared.get().await, file: self.file.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Bytes>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(&mut self, _: &SnapshotMeta, bytes: Box<Bytes>) -> Result<(), StorageError> {
        let failed = |reason: String| IoError::write_snapshot(None, AnyError::error(reason));
        let sent = Bytes::clone(&bytes);
        let decoded = blocking(move || snapshot::decode(&sent)).await.unwrap_or_else(|error| Err(error.to_string()));
        let (image, state) = decoded.map_err(failed)?;
        let written = self.file.write_in_time(&image, &bytes).await;
        written.map_err(|error| failed(format!("{} cannot be written: {error}", self.file.path().display())))?;
        self.replace(image, state).await;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        let file = self.file.clone();
        let read = move || -> Result<_, String> {
            let Some(bytes) = file.read().map_err(|error| error.to_string())? else { return Ok(None) };
            let image = snapshot::decode_image(&bytes).map_err(|why| format!("{}: {why}", file.path().display()))?;
            Ok(Some(Snapshot { meta: meta(&image), snapshot: Box::new(bytes) }))
        };
        let read = blocking(read).await.unwrap_or_else(|error| Err(error.to_string()));
        read.map_err(|reason| IoError::read_snapshot(None, AnyError::error(reason)).into())
    }
}

/// Makes a snapshot of the state as it was when the builder was made.
#[derive(Debug)]
pub(super) struct Builder {
    image: Image,
    state: Arc<State>,
    file: SnapshotFile,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let failed = |error: io::Error| IoError::write_snapshot(None, &error);
        let (image, state) = (self.image.clone(), Arc::clone(&self.state));
        let encoded = blocking(move || snapshot::encode(&image, &state)).await;
        let bytes = encoded.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(failed)?;
        self.file.write_in_time(&self.image, &bytes).await.map_err(failed)?;
        Ok(Snapshot { meta: meta(&self.image), snapshot: Box::new(bytes) })
    }
}

/// What Raft must know of a snapshot. Two of the same entry are the same snapshot.
fn meta(image: &Image) -> SnapshotMeta {
    let snapshot_id = match &image.applied {
        Some(applied) => format!("{applied}"),
        None => "empty".into(),
    };
    SnapshotMeta { last_log_id: image.applied, last_membership: image.membership.clone(), snapshot_id }
}

fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(batch) => batch.size(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

/// What came of applying entries.
struct Outcome {
    /// What is applied now.
    image: Image,
    /// The state's version.
    version: u64,
    /// What became of each entry's commands.
    applied: Vec<Vec<Applied>>,
}

fn apply(
    mut state: OwnedRwLockWriteGuard<Arc<State>>,
    mut image: Image,
    entries: Vec<Entry>,
) -> Result<Outcome, Box<StorageError>> {
    let mut results = Vec::with_capacity(entries.len());
    for entry in entries {
        let applied = match entry.payload {
            EntryPayload::Blank => Vec::new(),
            EntryPayload::Membership(membership) => {
                image.membership = Membership::new(Some(entry.log_id), membership);
                Vec::new()
            }
            EntryPayload::Normal(batch) => {
                // A command that this version does not know must stop it: leaving it out would make this server's
                // state another one than that of the rest.
                let unknown = |error| Box::new(IoError::apply(entry.log_id, &error).into());
                let commands = batch.commands().map_err(unknown)?;
                let state = Arc::make_mut(&mut state);
                let number = |command| {
                    image.commands += 1;
                    state.apply(image.commands, command)
                };
                commands.into_iter().map(number).collect()
            }
        };
        image.applied = Some(entry.log_id);
        results.push(applied);
    }
    Ok(Outcome { image, version: state.version, applied: results })
}
