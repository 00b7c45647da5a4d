use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openraft::error::ClientWriteError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::space::DiskFull;
use super::types::{Batch, Raft};
use crate::Applied;
use crate::state::Proposal;

/// Why a command was not applied, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This server does not lead. The command was not applied.
    #[error("this server does not lead")]
    NotLeader,
    /// The leader changed, or most servers do not answer. The command may be applied or not.
    #[error("the servers could not agree in time; it may be done or not")]
    Unknown,
    /// Most servers do not answer, so that this one does not know whether it still leads.
    #[error("most servers do not answer")]
    Unconfirmed,
    /// This server's disk is nearly full. The command was not applied.
    #[error(transparent)]
    Full(#[from] DiskFull),
    /// So many commands are waiting already that this one was not taken.
    #[error("too many commands are waiting")]
    Overloaded,
    /// This server's Raft has stopped.
    #[error("this server has stopped: {0}")]
    Stopped(String),
}

/// Takes commands and gives each the log entry that they share: all that queued up while others were being written
/// go together, so that the disk is waited for once.
#[derive(Debug, Clone)]
pub(super) struct Proposer {
    queue: mpsc::Sender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    command: String,
    reply: oneshot::Sender<Result<Applied, ProposeError>>,
}

impl Proposer {
    /// How long a command may take.
    const PATIENCE: Duration = Duration::from_secs(8);
    /// How many commands may wait. Then what this server proposes itself waits to be taken, and what others ask for is
    /// not taken.
    const QUEUE: usize = 4_096;
    /// The most commands in one entry.
    const MOST: usize = 1_024;
    /// No command is added to an entry that has so many bytes already.
    const BYTES: usize = 1 << 20;
    /// How many entries may be under way. While followers write one, the leader writes the next.
    const UNDER_WAY: usize = 2;

    /// A proposer, and what runs it.
    pub(super) fn new(raft: Raft) -> (Self, impl Future<Output = ()>) {
        let (queue, proposals) = mpsc::channel(Self::QUEUE);
        (Self { queue }, run(raft, proposals))
    }

    /// Has a command agreed on and applied.
    pub(super) async fn propose(&self, proposal: &Proposal) -> Result<Applied, ProposeError> {
        let (waiting, answer) = waiting(proposal)?;
        self.queue.send(waiting).await.map_err(|_| stopped())?;
        Self::applied(answer).await
    }

    /// The same, unless too many are waiting.
    pub(super) async fn offer(&self, proposal: &Proposal) -> Result<Applied, ProposeError> {
        let (waiting, answer) = waiting(proposal)?;
        self.queue.try_send(waiting).map_err(|error| match error {
            TrySendError::Full(_) => ProposeError::Overloaded,
            TrySendError::Closed(_) => stopped(),
        })?;
        Self::applied(answer).await
    }

    async fn applied(answer: Answer) -> Result<Applied, ProposeError> {
        match tokio::time::timeout(Self::PATIENCE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(ProposeError::Unknown),
        }
    }
}

type Answer = oneshot::Receiver<Result<Applied, ProposeError>>;

fn waiting(proposal: &Proposal) -> Result<(Waiting, Answer), ProposeError> {
    let command = serde_json::to_string(proposal).map_err(|error| ProposeError::Stopped(error.to_string()))?;
    let (reply, answer) = oneshot::channel();
    Ok((Waiting { command, reply }, answer))
}

fn stopped() -> ProposeError {
    ProposeError::Stopped("it is ending".into())
}

async fn run(raft: Raft, mut proposals: mpsc::Receiver<Waiting>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            // In this order, so that a simulation comes out the same each time.
            biased;
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            first = proposals.recv(), if under_way.len() < Proposer::UNDER_WAY => {
                let Some(first) = first else { return };
                let mut bytes = first.command.len();
                let mut batch = vec![first];
                while batch.len() < Proposer::MOST
                    && bytes < Proposer::BYTES
                    && let Ok(proposal) = proposals.try_recv()
                {
                    bytes += proposal.command.len();
                    batch.push(proposal);
                }
                under_way.push(submit(raft.clone(), batch));
            }
        }
    }
}

async fn submit(raft: Raft, proposals: Vec<Waiting>) {
    let result = match Batch::of(proposals.iter().map(|proposal| proposal.command.as_str())) {
        Ok(batch) => write(&raft, batch).await,
        Err(error) => Err(ProposeError::Stopped(error.to_string())),
    };
    // Whoever asked may have gone; there is nobody else to tell.
    match result {
        Ok(applied) => {
            for (proposal, applied) in proposals.into_iter().zip(applied) {
                drop(proposal.reply.send(Ok(applied)));
            }
        }
        Err(error) => {
            for proposal in proposals {
                drop(proposal.reply.send(Err(error.clone())));
            }
        }
    }
}

async fn write(raft: &Raft, batch: Batch) -> Result<Vec<Applied>, ProposeError> {
    let answer = raft.client_write_ff(batch).await.map_err(|fatal| ProposeError::Stopped(fatal.to_string()))?;
    match answer.await {
        Ok(Ok(response)) => Ok(response.data),
        Ok(Err(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
        Ok(Err(error)) => Err(ProposeError::Stopped(error.to_string())),
        Err(_) => Err(ProposeError::Unknown),
    }
}
