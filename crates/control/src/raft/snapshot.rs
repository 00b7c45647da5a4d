use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::folder_error::FolderError;
use super::types::{LogId, Membership};
use crate::State;

/// The state after some entry of the log, with what Raft must know to go on from there.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    /// The newest entry that is in it.
    pub(super) applied: Option<LogId>,
    /// The members of the group as of then.
    pub(super) membership: Membership,
    /// How many commands have been applied.
    pub(super) commands: u64,
}

/// The first line of a snapshot; the state follows it.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    applied: Option<LogId>,
    membership: Membership,
    commands: u64,
    /// The BLAKE3 hash of what follows.
    hash: String,
}

/// The version of a snapshot's form.
pub(super) const FORMAT: u32 = 2;

/// Writes a snapshot as bytes: a line of JSON that says what it is, then the state.
pub(super) fn encode(image: &Image, state: &State) -> io::Result<Bytes> {
    let state = serde_json::to_vec(state)?;
    let header = Header {
        format: FORMAT,
        applied: image.applied,
        membership: image.membership.clone(),
        commands: image.commands,
        hash: blake3::hash(&state).to_hex().to_string(),
    };
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&state);
    Ok(bytes.into())
}

/// Reads a snapshot; the error says what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<(Image, State), String> {
    let (header, state) = split(bytes)?;
    if blake3::hash(state).to_hex().as_str() != header.hash {
        return Err("its content does not match its hash".into());
    }
    let state = serde_json::from_slice(state).map_err(|error| format!("its content: {error}"))?;
    Ok((header.image(), state))
}

/// Reads what a snapshot is of, not the state in it.
pub(super) fn decode_image(bytes: &[u8]) -> Result<Image, String> {
    split(bytes).map(|(header, _)| header.image())
}

fn split(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    let line = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no first line")?;
    let header: Header = serde_json::from_slice(&bytes[..line]).map_err(|error| format!("its first line: {error}"))?;
    if header.format > FORMAT {
        return Err(format!("it has format {}, written by a newer icefield", header.format));
    }
    Ok((header, &bytes[line + 1..]))
}

impl Header {
    fn image(self) -> Image {
        Image { applied: self.applied, membership: self.membership, commands: self.commands }
    }
}

/// The newest snapshot, in a file.
#[derive(Debug, Clone)]
pub(super) struct SnapshotFile {
    disk: Arc<dyn Disk>,
    /// The newest entry in the file. One snapshot may arrive from the leader while another one is being made.
    applied: Arc<Mutex<Option<LogId>>>,
}

impl SnapshotFile {
    /// The file's name on its disk.
    pub(super) const NAME: &str = "snapshot";

    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, applied: Arc::default() }
    }

    /// The file's path.
    pub(super) fn path(&self) -> PathBuf {
        self.disk.path(Self::NAME)
    }

    /// The bytes of the snapshot, if there is one.
    pub(super) fn read(&self) -> io::Result<Option<Bytes>> {
        Ok(self.disk.read(Self::NAME)?.map(Bytes::from))
    }

    /// Replaces the snapshot, unless there is a newer one.
    pub(super) fn write(&self, image: &Image, bytes: &[u8]) -> io::Result<()> {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        if *applied <= image.applied {
            self.disk.replace(Self::NAME, bytes)?;
            *applied = image.applied;
        }
        Ok(())
    }

    /// The snapshot's content, or nothing at all if there is none.
    pub(super) fn load(&self) -> Result<(Image, State), FolderError> {
        let bytes = self.read().map_err(|source| FolderError::Io { path: self.path(), source })?;
        match bytes {
            Some(bytes) => {
                let damaged = |reason| FolderError::Damaged { path: self.path(), reason };
                let (image, state) = decode(&bytes).map_err(damaged)?;
                *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = image.applied;
                Ok((image, state))
            }
            None => Ok(Default::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_as_it_was_written_or_not_at_all() {
        let state = State { version: 7, ..State::default() };
        let image = Image { commands: 9, ..Image::default() };
        let bytes = encode(&image, &state).unwrap();
        let (read_image, read_state) = decode(&bytes).unwrap();
        assert_eq!((read_image.commands, &read_state), (9, &state));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 0x20;
            if let Ok((_, state)) = decode(&flipped) {
                assert_eq!(state, read_state, "byte {at} may change the first line's spelling, never the state");
            }
        }
    }
}
