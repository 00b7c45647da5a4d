use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::members::Member;
use super::runtime::Runtime;
use crate::Applied;
use crate::state::Proposal;

openraft::declare_raft_types!(
    /// The types that Raft is instantiated with.
    pub(super) TypeConfig:
        D = Batch,
        R = Vec<Applied>,
        NodeId = u64,
        Node = Member,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Bytes,
        AsyncRuntime = Runtime,
);

pub(super) type Entry = openraft::Entry<TypeConfig>;
pub(super) type LogId = openraft::LogId<u64>;
pub(super) type Membership = openraft::StoredMembership<u64, Member>;
pub(super) type Raft = openraft::Raft<TypeConfig>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<u64, Member>;
pub(super) type StorageError = openraft::StorageError<u64>;
pub(super) type StorageIOError = openraft::StorageIOError<u64>;
pub(super) type Vote = openraft::Vote<u64>;

/// The commands that one log entry carries: as many as were waiting when the entry was made.
///
/// They stay the JSON text that their proposer wrote until they are applied, so that neither the disk nor the
/// network needs to understand them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Batch(Arc<RawValue>);

impl Batch {
    /// A batch of commands that are each a JSON text.
    pub(super) fn of<'a>(commands: impl IntoIterator<Item = &'a str>) -> Result<Self, serde_json::Error> {
        let mut text = String::from("[");
        for command in commands {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(command);
        }
        text.push(']');
        Ok(Self(RawValue::from_string(text)?.into()))
    }

    /// The commands.
    pub(super) fn commands(&self) -> Result<Vec<Proposal>, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }

    /// The length of the text.
    pub(super) fn size(&self) -> usize {
        self.0.get().len()
    }
}
