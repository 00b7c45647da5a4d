use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::{BasicNode, ServerState};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::confirm::Confirmer;
use super::folder::{Folder, FolderError};
use super::log_store::LogStore;
use super::machine::{self, Machine};
use super::members::{Member, Members};
use super::network::Network;
use super::propose::{ProposeError, Proposer};
use super::rpc::{self, Rpc, RpcError};
use super::snapshot::SnapshotFile;
use super::timings::Timings;
use super::types::Raft;
use crate::state::Proposal;
use crate::{Applied, Command, State};

/// What a server's part of a group is started with.
#[derive(Debug)]
pub(crate) struct GroupConfig {
    /// This server's name: one of the members'.
    pub(crate) name: String,
    /// The group.
    pub(crate) members: Arc<Members>,
    /// The folder for the log and the snapshot.
    pub(crate) data: PathBuf,
    /// How fast things are to go.
    pub(crate) timings: Timings,
    /// What other servers are reached with.
    pub(crate) http: reqwest::Client,
}

/// Why a server's part of a group did not start.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The server is not one of the group.
    #[error("server {name:?} is not among the servers of the group ({}); name it there too", members.join(", "))]
    NotMember {
        /// The server.
        name: String,
        /// The group.
        members: Vec<String>,
    },
    /// The timings contradict each other.
    #[error("the timings do not fit together: {0}")]
    Timings(String),
    /// The log cannot be gone on from.
    #[error("the log in {path} cannot be gone on from: {reason}")]
    Log {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Who leads, as far as this server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leader {
    /// Nobody, or it is not known.
    Nobody,
    /// Another server.
    Other(Member),
    /// This one, in this term.
    Me(u64),
}

/// This server's part of a group of servers that agree on one state.
pub(crate) struct Group {
    raft: Raft,
    log: Mutex<Option<LogStore>>,
    shared: machine::Shared,
    proposer: Proposer,
    confirmer: Confirmer,
    members: Arc<Members>,
    me: Member,
    leader: watch::Receiver<Leader>,
    failure: watch::Receiver<Option<String>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Group {
    /// Opens the folder and takes part in the group.
    ///
    /// The first time, the group is formed: all servers know the same members, and forming it twice is the same as
    /// forming it once. After a restart it goes on where it was.
    pub(crate) async fn start(config: GroupConfig) -> Result<Self, GroupError> {
        let GroupConfig { name, members, data, timings, http } = config;
        let number = members.number(&name);
        let Some((number, me)) = number.and_then(|number| Some((number, members.get(number)?.clone()))) else {
            return Err(GroupError::NotMember { name, members: members.names() });
        };
        let folder = Folder::open(&data, &name, &members.names())?;
        let open = move || {
            let log = LogStore::open(&folder.log())?;
            Ok::<_, FolderError>((log, Machine::open(SnapshotFile::new(folder.snapshot()))?))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        let unusable = |reason: String| GroupError::Log { path: data.clone(), reason };
        let (log, machine) = opened.map_err(|error| unusable(error.to_string()))??;
        let shared = machine.shared();

        let mut raft_config = timings.raft_config().map_err(GroupError::Timings)?;
        let fresh = log.is_fresh().await.map_err(|error| unusable(error.to_string()))?;
        // A server that comes back hears of its leader soon. Wanting to lead before that would unseat it.
        raft_config.enable_elect = fresh || members.iter().count() == 1;
        let network = Network::new(http, Arc::clone(&members), timings.heartbeat);
        let raft = Raft::new(number, Arc::new(raft_config), network, log.clone(), machine).await;
        let raft = raft.map_err(|error| unusable(error.to_string()))?;

        let mut tasks = JoinSet::new();
        let (proposer, propose) = Proposer::new(raft.clone());
        tasks.spawn(propose);
        let (confirmer, confirm) = Confirmer::new(raft.clone());
        tasks.spawn(confirm);
        let (leader_sender, leader) = watch::channel(Leader::Nobody);
        tasks.spawn(watch_leader(raft.clone(), Arc::clone(&members), leader_sender));
        tasks.spawn(keep_log_small(raft.clone(), shared.bytes(), timings.snapshot_bytes));
        let (failure_sender, failure) = watch::channel(None);
        tasks.spawn(watch_failure(raft.clone(), failure_sender));
        if fresh {
            tasks.spawn(form(raft.clone(), Arc::clone(&members), number, timings));
        } else {
            tasks.spawn(allow_elections(raft.clone(), timings.lease + timings.election));
        }
        let (log, tasks) = (Mutex::new(Some(log)), Mutex::new(tasks));
        Ok(Self { raft, log, shared, proposer, confirmer, members, me, leader, failure, tasks })
    }

    /// This server.
    pub(crate) fn me(&self) -> &Member {
        &self.me
    }

    /// All servers of the group.
    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// Who leads, now and later.
    pub(crate) fn leader(&self) -> watch::Receiver<Leader> {
        self.leader.clone()
    }

    /// The state as this server knows it.
    pub(crate) async fn state(&self) -> Arc<State> {
        self.shared.get().await
    }

    /// The state with all that was agreed on before this was called. Only a leader knows it.
    pub(crate) async fn current_state(&self) -> Result<Arc<State>, ProposeError> {
        self.confirmer.confirm().await?;
        Ok(self.shared.get().await)
    }

    /// Sees the state's version change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes()
    }

    /// Has a command agreed on; returns when this server has applied it. Only a leader can.
    pub(crate) async fn propose(&self, command: Command) -> Result<Applied, ProposeError> {
        self.proposer.propose(&command.into()).await
    }

    /// The same for what others ask for: it is not taken if too much is waiting already.
    pub(crate) async fn offer(&self, proposal: &Proposal) -> Result<Applied, ProposeError> {
        self.proposer.offer(proposal).await
    }

    /// How long ago most servers last listened to this one as their leader; `None` if it does not lead.
    pub(crate) fn listened_to(&self) -> Option<Duration> {
        self.raft.metrics().borrow().millis_since_quorum_ack.map(Duration::from_millis)
    }

    /// Whether a message that names this group and server is for this one.
    pub(crate) fn is_meant(&self, group: &str, to: &str) -> bool {
        to == self.me.name && group == self.members.group()
    }

    /// Answers another server of the group.
    pub(crate) async fn answer(&self, rpc: Rpc, body: Bytes) -> Result<Vec<u8>, RpcError> {
        rpc::answer(&self.raft, rpc, body).await
    }

    /// Returns why this server's part has failed, once it has.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "it is ending".into(),
        }
    }

    /// Ends this server's part. When this returns, its folder may be used by another.
    pub(crate) async fn shutdown(&self) {
        const PATIENCE: Duration = Duration::from_secs(3);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).take();
        { tasks }.shutdown().await;
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not end well");
        }
        if let Some(log) = log
            && tokio::time::timeout(PATIENCE, log.close()).await.is_err()
        {
            tracing::warn!("the log is still in use");
        }
    }
}

/// Tells who leads, until Raft ends.
async fn watch_leader(raft: Raft, members: Arc<Members>, leader: watch::Sender<Leader>) {
    let mut metrics = raft.server_metrics();
    loop {
        let now = {
            let metrics = metrics.borrow_and_update();
            match (metrics.state, metrics.current_leader) {
                (ServerState::Leader, _) => Leader::Me(metrics.vote.leader_id().term),
                (_, Some(other)) if other != metrics.id => {
                    members.get(other).cloned().map_or(Leader::Nobody, Leader::Other)
                }
                _ => Leader::Nobody,
            }
        };
        leader.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        if metrics.changed().await.is_err() {
            leader.send_replace(Leader::Nobody);
            return;
        }
    }
}

/// Tells when Raft has ended by itself, and why.
async fn watch_failure(raft: Raft, failure: watch::Sender<Option<String>>) {
    let mut metrics = raft.metrics();
    let reason = match metrics.wait_for(|metrics| metrics.running_state.is_err()).await {
        Ok(metrics) => metrics.running_state.as_ref().err().map(ToString::to_string),
        Err(_) => Some("it is ending".into()),
    };
    failure.send_replace(reason);
}

/// Has a snapshot made whenever commands of so many bytes were applied: entries can be large, so counting them, as Raft
/// does, is not enough to keep the log small.
async fn keep_log_small(raft: Raft, mut applied: watch::Receiver<u64>, every: u64) {
    let mut last = 0;
    while let Ok(now) = applied.wait_for(|applied| applied - last >= every.max(1)).await.map(|now| *now) {
        last = now;
        if let Err(error) = raft.trigger().snapshot().await {
            tracing::debug!(%error, "no snapshot is made");
            return;
        }
    }
}

/// Forms the group. Its first server does at once; the others only if it does not for a while.
async fn form(raft: Raft, members: Arc<Members>, number: u64, timings: Timings) {
    if number > 1 {
        tokio::time::sleep((timings.lease + timings.election) * 3).await;
        if !matches!(raft.is_initialized().await, Ok(false)) {
            return;
        }
    }
    let node = |number: u64| Some((number, BasicNode::new(&members.get(number)?.api)));
    let nodes: BTreeMap<u64, BasicNode> = members.numbers().filter_map(node).collect();
    if let Err(error) = raft.initialize(nodes).await {
        tracing::debug!(%error, "the group is formed already");
    }
}

/// Lets this server want to lead after a while.
async fn allow_elections(raft: Raft, after: Duration) {
    tokio::time::sleep(after).await;
    raft.runtime_config().elect(true);
}
