use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::AnyError;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::line::Line;
use super::log::Flushed;
use super::rpc::Rpc;
use super::types::{LogId, TypeConfig, Vote};

/// Entries too large to be sent, written and answered within one heartbeat, on their way to another server.
///
/// Raft would give up on them after a heartbeat and send them again, and so for ever. Here they go on by themselves, with
/// heartbeats beside them, and the repetition that Raft sends gets their answer.
#[derive(Debug)]
pub(super) struct Bulk {
    vote: Vote,
    before: Option<LogId>,
    last: Option<LogId>,
    sending: JoinHandle<Result<AppendEntriesResponse<u64>, AnyError>>,
}

impl Bulk {
    /// A message of so many bytes is a large one.
    pub(super) const FROM: usize = 64 << 10;
    /// The time that any message may take.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// How many bytes a second a server must at least take.
    const RATE: usize = 4 << 20;

    /// Starts to send `request`, whose text is `body`; `sign` is a heartbeat's text. It is over when this server's own
    /// disk has it too.
    pub(super) fn send(
        line: Line,
        request: &AppendEntriesRequest<TypeConfig>,
        body: Bytes,
        sign: Bytes,
        flushed: Arc<Flushed>,
        heartbeat: Duration,
    ) -> Self {
        let last = request.entries.last().map(|entry| entry.log_id);
        let timeout = Self::PATIENCE + Duration::from_secs((body.len() / Self::RATE) as u64);
        let sending = tokio::spawn(async move {
            let message = async {
                let answer = line.ask(Rpc::Append, vec![body], timeout).await?;
                flushed.reach(last.map_or(0, |last| last.index)).await;
                Ok(answer)
            };
            tokio::select! {
                biased;
                answer = message => answer,
                never = beat(&line, sign, heartbeat) => never,
            }
        });
        Self { vote: request.vote, before: request.prev_log_id, last, sending }
    }

    /// Waits for the answer. Waiting may be given up and taken up again.
    pub(super) async fn finish(&mut self) -> Result<AppendEntriesResponse<u64>, AnyError> {
        (&mut self.sending).await.unwrap_or_else(|error| Err(AnyError::new(&error)))
    }

    /// What the success of this message says to `request`; `None` if it says nothing.
    pub(super) fn answers(&self, request: &AppendEntriesRequest<TypeConfig>) -> Option<AppendEntriesResponse<u64>> {
        let same = request.vote == self.vote && request.prev_log_id == self.before;
        let last = request.entries.last().map(|entry| entry.log_id);
        match last {
            _ if !same || last < self.last => None,
            _ if last == self.last => Some(AppendEntriesResponse::Success),
            _ => Some(AppendEntriesResponse::PartialSuccess(self.last)),
        }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// Shows that the leader lives for as long as this is polled.
async fn beat<T>(line: &Line, sign: Bytes, heartbeat: Duration) -> T {
    let mut ticks = tokio::time::interval(heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Whatever the answer: the message itself gets the one that counts.
        drop(line.ask::<AppendEntriesResponse<u64>>(Rpc::Append, vec![sign.clone()], heartbeat * 2).await);
    }
}
