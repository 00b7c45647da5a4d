use std::future::Future;
use std::time::Duration;

use openraft::error::{CheckIsLeaderError, RaftError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::propose::ProposeError;
use super::types::Raft;

/// Confirms that this server still leads and has applied all that was agreed on before it was asked. All who ask while
/// one confirmation is under way share the next one.
#[derive(Debug, Clone)]
pub(super) struct Confirmer {
    queue: mpsc::UnboundedSender<oneshot::Sender<Result<(), ProposeError>>>,
}

impl Confirmer {
    /// How long most servers may take to confirm it.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// The pause before it is tried again.
    const PAUSE: Duration = Duration::from_millis(20);

    /// A confirmer, and what runs it.
    pub(super) fn new(raft: Raft) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        (Self { queue }, run(raft, waiting))
    }

    /// Returns when it is confirmed.
    pub(super) async fn confirm(&self) -> Result<(), ProposeError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || ProposeError::Stopped("it is ending".into());
        self.queue.send(reply).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

async fn run(raft: Raft, mut waiting: mpsc::UnboundedReceiver<oneshot::Sender<Result<(), ProposeError>>>) {
    let mut sharing = Vec::new();
    while waiting.recv_many(&mut sharing, usize::MAX).await > 0 {
        let result = confirm(&raft).await;
        for reply in sharing.drain(..) {
            drop(reply.send(result.clone()));
        }
    }
}

async fn confirm(raft: &Raft) -> Result<(), ProposeError> {
    let until = Instant::now() + Confirmer::PATIENCE;
    loop {
        let confirmed = tokio::time::timeout_at(until, raft.ensure_linearizable()).await;
        match confirmed {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(_)))) => {
                return Err(ProposeError::NotLeader);
            }
            Ok(Err(RaftError::Fatal(fatal))) => return Err(ProposeError::Stopped(fatal.to_string())),
            // A follower that is slow for a moment is no reason to give up.
            Ok(Err(RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(_))))
                if Instant::now() + Confirmer::PAUSE < until =>
            {
                tokio::time::sleep(Confirmer::PAUSE).await;
            }
            Ok(Err(_)) | Err(_) => return Err(ProposeError::Unconfirmed),
        }
    }
}
