use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::folder_error::FolderError;
use super::types::{LogId, Membership};
use crate::State;
use crate::blocking::blocking;

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

/// The first line of a snapshot. The second one is the hash of all the rest, and the state follows.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    applied: Option<LogId>,
    membership: Membership,
    commands: u64,
    /// Up to format 2 the BLAKE3 hash of the state, which follows at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

/// The version of a snapshot's form.
const FORMAT: u32 = 3;

/// Writes a snapshot as bytes: a line of JSON that says what it is, its hash, then the state.
pub(super) fn encode(image: &Image, state: &State) -> io::Result<Bytes> {
    let state = serde_json::to_vec(state)?;
    let header = Header {
        format: FORMAT,
        applied: image.applied,
        membership: image.membership.clone(),
        commands: image.commands,
        hash: None,
    };
    let mut bytes = serde_json::to_vec(&header)?;
    let hash = hash(&bytes, &state);
    bytes.extend_from_slice(format!("\n{hash}\n").as_bytes());
    bytes.extend_from_slice(&state);
    Ok(bytes.into())
}

/// The BLAKE3 hash of a snapshot's first line and its state.
fn hash(first: &[u8], state: &[u8]) -> String {
    blake3::Hasher::new().update(first).update(b"\n").update(state).finalize().to_hex().to_string()
}

/// Reads a snapshot; the error says what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<(Image, State), String> {
    let (header, state) = split(bytes)?;
    let state = serde_json::from_slice(state).map_err(|error| format!("its content: {error}"))?;
    Ok((header.image(), state))
}

/// Reads what a snapshot is of, and whether it is as it was written; not the state in it.
pub(super) fn decode_image(bytes: &[u8]) -> Result<Image, String> {
    split(bytes).map(|(header, _)| header.image())
}

fn split(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    let (first, rest) = line(bytes).ok_or("it has no first line")?;
    let header: Header = serde_json::from_slice(first).map_err(|error| format!("its first line: {error}"))?;
    if header.format > FORMAT {
        return Err(format!("it has format {}, written by a newer icefield", header.format));
    }
    let (is_whole, state) = match &header.hash {
        Some(hash) if header.format < 3 => (blake3::hash(rest).to_hex().as_str() == hash, rest),
        _ => {
            let (told, state) = line(rest).ok_or("it has no second line")?;
            (hash(first, state).as_bytes() == told, state)
        }
    };
    if !is_whole {
        return Err("its content does not match its hash".into());
    }
    Ok((header, state))
}

/// The first line of `bytes`, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
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

    /// The same, once there is room for it.
    pub(super) async fn write_in_time(&self, image: &Image, bytes: &Bytes) -> io::Result<()> {
        /// How often the disk is tried.
        const EVERY: Duration = Duration::from_secs(1);
        loop {
            let (file, image, bytes) = (self.clone(), image.clone(), bytes.clone());
            let size = bytes.len();
            match blocking(move || file.write(&image, &bytes)).await.map_err(io::Error::other)? {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    tracing::warn!("{} has to wait: there is no room for {size} bytes", self.path().display());
                    tokio::time::sleep(EVERY).await;
                }
                done => return done,
            }
        }
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
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                assert!(decode(&flipped).is_err() && decode_image(&flipped).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn one_of_the_format_before_is_read() {
        let state = serde_json::to_vec(&State { version: 7, ..State::default() }).unwrap();
        let hash = Some(blake3::hash(&state).to_hex().to_string());
        let header = Header { format: 2, applied: None, membership: Membership::default(), commands: 9, hash };
        let bytes = [&serde_json::to_vec(&header).unwrap()[..], b"\n", &state].concat();
        let (image, read) = decode(&bytes).unwrap();
        assert_eq!((image.commands, read.version), (9, 7));
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
