use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, Either};
use openraft::error::{Fatal, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{AnyError, OptionalSend, Snapshot};
use serde::Serialize;

use super::bulk::Bulk;
use super::line::Line;
use super::log::Flushed;
use super::members::{Addresses, Member};
use super::rpc::{Rpc, SnapshotHead};
use super::transport::Transport;
use super::types::{TypeConfig, Vote};

type RpcFailure = RPCError<u64, Member, RaftError<u64>>;

/// Reaches the other servers of the group.
#[derive(Debug, Clone)]
pub(super) struct Network {
    transport: Arc<dyn Transport>,
    group: Arc<str>,
    addresses: Arc<Addresses>,
    flushed: Arc<Flushed>,
    heartbeat: Duration,
}

impl Network {
    /// `flushed` is how far this server's own log has come onto its disk.
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        group: Arc<str>,
        addresses: Arc<Addresses>,
        flushed: Arc<Flushed>,
        heartbeat: Duration,
    ) -> Self {
        Self { transport, group, addresses, flushed, heartbeat }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, _: u64, member: &Member) -> Peer {
        let to = self.addresses.of(member);
        let line = Line::new(Arc::clone(&self.transport), Arc::clone(&self.group), to);
        Peer { line, flushed: Arc::clone(&self.flushed), heartbeat: self.heartbeat, bulk: None }
    }
}

/// One server, as a leader or a candidate talks to it.
#[derive(Debug)]
pub(super) struct Peer {
    line: Line,
    /// How far this server's own log has come onto its disk.
    flushed: Arc<Flushed>,
    heartbeat: Duration,
    /// A large message that is still on its way.
    bulk: Option<Bulk>,
}

impl Peer {
    /// How long a snapshot may take.
    const SNAPSHOT: Duration = Duration::from_secs(60);
}

/// The pauses between attempts to reach a server that cannot be reached.
const PAUSES: [u64; 4] = [25, 50, 100, 200];

impl Peer {
    async fn append(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RpcFailure> {
        if let Some(bulk) = &mut self.bulk {
            // Raft gives up on a message after one heartbeat. A large one that is still on its way goes on, and this
            // is its repetition.
            let outcome = bulk.finish().await;
            let taken = outcome.is_ok_and(|response| response.is_success()).then(|| bulk.answers(&request)).flatten();
            self.bulk = None;
            if let Some(response) = taken {
                return Ok(response);
            }
        }
        let body = encode(&request).map_err(unreachable)?;
        if body.len() < Bulk::FROM {
            return self.line.ask(Rpc::Append, vec![body], option.hard_ttl()).await.map_err(unreachable);
        }
        let AppendEntriesRequest { vote, prev_log_id, leader_commit, .. } = request;
        let sign = AppendEntriesRequest::<TypeConfig> { vote, prev_log_id, entries: Vec::new(), leader_commit };
        let (sign, flushed) = (encode(&sign).map_err(unreachable)?, Arc::clone(&self.flushed));
        let bulk = Bulk::send(self.line.clone(), &request, body, sign, flushed, self.heartbeat);
        let bulk = self.bulk.insert(bulk);
        let outcome = bulk.finish().await;
        self.bulk = None;
        outcome.map_err(unreachable)
    }
}

impl RaftNetwork<TypeConfig> for Peer {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RpcFailure> {
        let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        let answer = self.append(request, option).await?;
        if matches!(answer, AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_))
            && let Some(last) = last
        {
            // Two have the entry now, as Raft counts: the other one, and this server, see `Ahead`.
            self.flushed.reach(last.index).await;
        }
        Ok(answer)
    }

    async fn vote(&mut self, request: VoteRequest<u64>, option: RPCOption) -> Result<VoteResponse<u64>, RpcFailure> {
        self.line
            .ask(Rpc::Vote, vec![encode(&request).map_err(unreachable)?], option.hard_ttl())
            .await
            .map_err(unreachable)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<TypeConfig>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<TypeConfig, Fatal<u64>>> {
        let failed = |error: AnyError| StreamingError::Unreachable(Unreachable::from(error));
        let head = serde_json::to_vec(&SnapshotHead { vote, meta: snapshot.meta });
        let mut head = head.map_err(|error| failed(AnyError::new(&error)))?;
        head.push(b'\n');
        let body = vec![head.into(), *snapshot.snapshot];
        let send = std::pin::pin!(self.line.ask(Rpc::Snapshot, body, Self::SNAPSHOT));
        match future::select(send, std::pin::pin!(cancel)).await {
            Either::Left((answer, _)) => answer.map_err(failed),
            Either::Right((closed, _)) => Err(StreamingError::Closed(closed)),
        }
    }

    fn backoff(&self) -> Backoff {
        let pauses = PAUSES.into_iter().chain(std::iter::repeat(400));
        Backoff::new(pauses.map(Duration::from_millis))
    }
}

fn encode(request: &impl Serialize) -> Result<Bytes, AnyError> {
    serde_json::to_vec(request).map(Bytes::from).map_err(|error| AnyError::new(&error))
}

/// Any failure counts as a server that cannot be reached: it is tried again after a pause.
fn unreachable(error: AnyError) -> RpcFailure {
    RPCError::Unreachable(Unreachable::from(error))
}
