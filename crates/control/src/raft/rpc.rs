use bytes::Bytes;
use openraft::Snapshot;
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use serde::{Deserialize, Serialize};

use super::space::DiskFull;
use super::types::{Raft, SnapshotMeta, TypeConfig, Vote};

/// What one server asks of another, as the path that it is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rpc {
    /// Add these entries to your log; or, without entries: I lead.
    Append,
    /// Let me lead.
    Vote,
    /// Take this snapshot.
    Snapshot,
    /// Are you there?
    Alive,
    /// You are no longer one of us.
    Leave,
}

impl Rpc {
    /// Every question.
    pub const ALL: [Self; 5] = [Self::Append, Self::Vote, Self::Snapshot, Self::Alive, Self::Leave];

    /// The path it is sent to.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Append => "/raft/append",
            Self::Vote => "/raft/vote",
            Self::Snapshot => "/raft/snapshot",
            Self::Alive => "/raft/alive",
            Self::Leave => "/raft/leave",
        }
    }
}

/// The header that names the group; see [`super::Group::id`].
pub(crate) const GROUP_HEADER: &str = "icefield-group";
/// The header that names the server that is meant.
pub(crate) const TO_HEADER: &str = "icefield-to";

/// Why a server does not answer another's question.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// It was meant for another server.
    #[error("this is another server, or of another group; check the addresses that the servers were started with")]
    Misdirected,
    /// It is not what it should be.
    #[error("not a message of this version: {0}")]
    Malformed(String),
    /// This server's disk is nearly full.
    #[error(transparent)]
    Full(#[from] DiskFull),
    /// This server's Raft has stopped.
    #[error("this server has stopped: {0}")]
    Stopped(String),
}

/// The first line of a snapshot's message; the snapshot follows it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotHead {
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMeta,
}

/// Answers another server's question.
pub(super) async fn answer(raft: &Raft, rpc: Rpc, body: Bytes) -> Result<Vec<u8>, RpcError> {
    match rpc {
        Rpc::Append => {
            let request: AppendEntriesRequest<TypeConfig> = read(&body)?;
            write(raft.append_entries(request).await)
        }
        Rpc::Vote => {
            let request: VoteRequest<u64> = read(&body)?;
            write(raft.vote(request).await)
        }
        Rpc::Snapshot => {
            let line = body.iter().position(|byte| *byte == b'\n');
            let line = line.ok_or_else(|| RpcError::Malformed("it has no first line".into()))?;
            let SnapshotHead { vote, meta } = read(&body[..line])?;
            let snapshot = Snapshot { meta, snapshot: Box::new(body.slice(line + 1..)) };
            write(raft.install_full_snapshot(vote, snapshot).await)
        }
        Rpc::Alive | Rpc::Leave => write(Ok::<_, RpcError>(())),
    }
}

/// Takes entries that there is no room for as the sign of life of a leader that they are too: else this server would soon want
/// another one.
pub(super) async fn heed(raft: &Raft, body: &[u8]) -> Result<(), RpcError> {
    let request: AppendEntriesRequest<TypeConfig> = read(body)?;
    write(raft.append_entries(AppendEntriesRequest { entries: Vec::new(), ..request }).await).map(drop)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, RpcError> {
    serde_json::from_slice(body).map_err(|error| RpcError::Malformed(error.to_string()))
}

fn write<E: std::error::Error>(result: Result<impl Serialize, E>) -> Result<Vec<u8>, RpcError> {
    let answer = result.map_err(|error| RpcError::Stopped(error.to_string()))?;
    serde_json::to_vec(&answer).map_err(|error| RpcError::Stopped(error.to_string()))
}
