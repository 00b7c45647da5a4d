use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, Either};
use openraft::ServerState;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::confirm::Confirmer;
use super::disk::Disk;
use super::folder::Label;
use super::folder_error::FolderError;
use super::log::LogStore;
use super::machine::{self, Machine};
use super::members::{Addresses, Founders, Member};
use super::network::Network;
use super::propose::{ProposeError, Proposer};
use super::rpc::{self, Rpc, RpcError};
use super::snapshot::SnapshotFile;
use super::space::{self, DiskFull};
use super::start::Start;
use super::timings::Timings;
use super::transport::Transport;
use super::types::Raft;
use super::voters;
use crate::blocking::blocking;
use crate::state::Proposal;
use crate::{Applied, Command, State};

/// What a server's part of a group is started with.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// This server's name.
    pub name: String,
    /// How it gets into a group if it is in none.
    pub start: Start,
    /// Where the log and the snapshot are.
    pub disk: Arc<dyn Disk>,
    /// What carries messages to other servers.
    pub transport: Arc<dyn Transport>,
    /// How fast things are to go.
    pub timings: Timings,
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
pub enum Leader {
    /// Nobody, or it is not known.
    Nobody,
    /// Another server.
    Other(Member),
    /// This one, in this term.
    Me(u64),
}

/// This server's part of a group of servers that agree on one state.
pub struct Group {
    pub(super) raft: Raft,
    log: Mutex<Option<LogStore>>,
    shared: machine::Shared,
    proposer: Proposer,
    confirmer: Confirmer,
    name: String,
    label: Label,
    pub(super) addresses: Arc<Addresses>,
    pub(super) transport: Arc<dyn Transport>,
    leader: watch::Receiver<Leader>,
    failure: watch::Receiver<Option<String>>,
    full: watch::Receiver<Option<DiskFull>>,
    /// Whether another server is to lead, because this one's disk is full.
    aside: watch::Receiver<bool>,
    /// Whether the others have told this server that it is no longer one of them.
    left: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Group {
    /// The longest that a mere sign of life of a leader can be, in bytes; what is longer wants to be written.
    const SIGN: usize = 512;

    /// Opens the folder and takes part in the group.
    ///
    /// The first time, the group is formed: all founders know the same members, and forming it twice is the same as
    /// forming it once. After a restart it goes on where it was.
    pub async fn start(config: GroupConfig) -> Result<Self, GroupError> {
        let GroupConfig { name, start, disk, transport, timings } = config;
        let mut addresses = Addresses::default();
        if let Start::Form(founders) = &start {
            if founders.number(&name).is_none() {
                return Err(GroupError::NotMember { name, members: founders.names() });
            }
            addresses = founders.addresses();
        }
        let unusable = |reason: String| GroupError::Log { path: disk.path(""), reason };
        let open = {
            let (disk, name, start) = (Arc::clone(&disk), name.clone(), start.clone());
            move || {
                let label = Label::open(&disk, &name, &start)?;
                Ok::<_, FolderError>((label, Machine::open(SnapshotFile::new(disk))?))
            }
        };
        let (label, machine) = blocking(open).await.map_err(|error| unusable(error.to_string()))??;
        let log = LogStore::open(Arc::clone(&disk)).await?;
        let shared = machine.shared();

        let mut raft_config = timings.raft_config().map_err(GroupError::Timings)?;
        let fresh = log.is_fresh().await.map_err(|error| unusable(error.to_string()))?;
        log.step_down(label.number).await.map_err(|error| unusable(error.to_string()))?;
        // A server that comes back hears of its leader soon. Wanting to lead before that would unseat it.
        raft_config.enable_elect = false;
        let addresses = Arc::new(addresses);
        let group = label.group.as_str().into();
        let network =
            Network::new(Arc::clone(&transport), group, Arc::clone(&addresses), log.flushed(), timings.heartbeat);
        let raft = Raft::new(label.number, Arc::new(raft_config), network, log.clone(), machine).await;
        let raft = raft.map_err(|error| unusable(error.to_string()))?;

        let mut tasks = JoinSet::new();
        let (proposer, propose) = Proposer::new(raft.clone());
        tasks.spawn(propose);
        let (confirmer, confirm) = Confirmer::new(raft.clone());
        tasks.spawn(confirm);
        let (leader_sender, leader) = watch::channel(Leader::Nobody);
        tasks.spawn(watch_leader(raft.clone(), log.clone(), Arc::clone(&addresses), leader_sender));
        tasks.spawn(keep_log_small(raft.clone(), shared.bytes(), timings.snapshot_bytes));
        let (failure_sender, failure) = watch::channel(None);
        tasks.spawn(watch_failure(raft.clone(), log.failure(), failure_sender));
        tasks.spawn(voters::promote(raft.clone(), timings.heartbeat));
        let (full_sender, full) = watch::channel(None);
        let (aside_sender, aside) = watch::channel(false);
        tasks.spawn(space::watch(name.clone(), Arc::clone(&disk), raft.clone(), full_sender, aside_sender));
        match start {
            Start::Form(founders) if fresh => {
                raft.runtime_config().elect(true);
                tasks.spawn(form(raft.clone(), founders, label.number, timings));
            }
            _ => {
                let only = voters::voters(&raft).eq([label.number]);
                let after = if only { Duration::ZERO } else { timings.lease + timings.election };
                tasks.spawn(allow_elections(raft.clone(), after));
            }
        }
        let (log, tasks, left) = (Mutex::new(Some(log)), Mutex::new(tasks), watch::Sender::new(false));
        Ok(Self {
            raft,
            log,
            shared,
            proposer,
            confirmer,
            name,
            label,
            addresses,
            transport,
            leader,
            failure,
            full,
            aside,
            left,
            tasks,
        })
    }

    /// This server's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Raft's number of this server.
    pub(super) fn number(&self) -> u64 {
        self.label.number
    }

    /// What the group is called between its servers.
    pub fn id(&self) -> &str {
        &self.label.group
    }

    /// Who leads, now and later.
    pub fn leader(&self) -> watch::Receiver<Leader> {
        self.leader.clone()
    }

    /// Whether this server's disk is nearly full.
    pub fn full(&self) -> Option<DiskFull> {
        self.full.borrow().clone()
    }

    /// The state as this server knows it.
    pub async fn state(&self) -> Arc<State> {
        self.shared.get().await
    }

    /// The state with all that was agreed on before this was called. Only a leader knows it.
    pub async fn current_state(&self) -> Result<Arc<State>, ProposeError> {
        // To confirm it would keep the others from taking over.
        if *self.aside.borrow() {
            return Err(ProposeError::NotLeader);
        }
        self.confirmer.confirm().await?;
        Ok(self.shared.get().await)
    }

    /// Sees the state's version change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes()
    }

    /// Has a command agreed on; returns when this server has applied it. Only a leader can.
    pub async fn propose(&self, command: Command) -> Result<Applied, ProposeError> {
        self.check_space()?;
        self.proposer.propose(&command.into()).await
    }

    /// The same for what others ask for: it is not taken if too much is waiting already.
    pub(crate) async fn offer(&self, proposal: &Proposal) -> Result<Applied, ProposeError> {
        self.check_space()?;
        self.proposer.offer(proposal).await
    }

    fn check_space(&self) -> Result<(), DiskFull> {
        self.full.borrow().clone().map_or(Ok(()), Err)
    }

    /// How long ago most servers last listened to this one as their leader; `None` if it does not lead.
    pub(crate) fn listened_to(&self) -> Option<Duration> {
        self.raft.metrics().borrow().millis_since_quorum_ack.map(Duration::from_millis)
    }

    /// Whether a message that names this group and server is for this one.
    pub(crate) fn is_meant(&self, group: &str, to: &str) -> bool {
        group == self.label.group && to == self.name
    }

    /// Answers another server of the group, which has named the group and the server that it means.
    pub async fn answer(&self, rpc: Rpc, group: &str, to: &str, body: Bytes) -> Result<Vec<u8>, RpcError> {
        if !self.is_meant(group, to) {
            return Err(RpcError::Misdirected);
        }
        if matches!(rpc, Rpc::Append | Rpc::Snapshot)
            && body.len() > Self::SIGN
            && let Err(full) = self.check_space()
        {
            if rpc == Rpc::Append {
                rpc::heed(&self.raft, &body).await?;
            }
            return Err(full.into());
        }
        if rpc == Rpc::Leave {
            self.left.send_replace(true);
        }
        rpc::answer(&self.raft, rpc, body).await
    }

    /// Returns why this server's part has failed, once it has.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "it is ending".into(),
        }
    }

    /// Returns when the others have said that this server is no longer one of them.
    pub async fn removed(&self) {
        // The sender is this value's own.
        drop(self.left.subscribe().wait_for(|left| *left).await);
    }

    /// Ends this server's part. When this returns, its folder may be used by another.
    pub async fn shutdown(&self) {
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
async fn watch_leader(raft: Raft, log: LogStore, addresses: Arc<Addresses>, leader: watch::Sender<Leader>) {
    let mut metrics = raft.server_metrics();
    loop {
        let now = {
            let metrics = metrics.borrow_and_update();
            match (metrics.state, metrics.current_leader) {
                (ServerState::Leader, _) => {
                    log.leads(metrics.vote, &metrics.membership_config);
                    Leader::Me(metrics.vote.leader_id().term)
                }
                (_, Some(other)) if other != metrics.id => {
                    let member = metrics.membership_config.membership().get_node(&other);
                    member.map_or(Leader::Nobody, |member| Leader::Other(addresses.of(member)))
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

/// Tells when Raft has ended by itself or its log has failed, and why.
async fn watch_failure(raft: Raft, mut log: watch::Receiver<Option<String>>, failure: watch::Sender<Option<String>>) {
    let mut metrics = raft.metrics();
    let raft_ends = metrics.wait_for(|metrics| metrics.running_state.is_err());
    let log_fails = log.wait_for(Option::is_some);
    let reason = match future::select(pin!(raft_ends), pin!(log_fails)).await {
        Either::Left((Ok(metrics), _)) => metrics.running_state.as_ref().err().map(ToString::to_string),
        Either::Right((Ok(reason), _)) => reason.as_ref().map(|reason| format!("the log cannot be written: {reason}")),
        Either::Left((Err(_), _)) | Either::Right((Err(_), _)) => Some("it is ending".into()),
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
async fn form(raft: Raft, founders: Founders, number: u64, timings: Timings) {
    if number > 1 {
        tokio::time::sleep((timings.lease + timings.election) * 3).await;
        if !matches!(raft.is_initialized().await, Ok(false)) {
            return;
        }
    }
    if let Err(error) = raft.initialize(founders.numbered()).await {
        tracing::debug!(%error, "the group is formed already");
    }
}

/// Lets this server want to lead after a while.
async fn allow_elections(raft: Raft, after: Duration) {
    tokio::time::sleep(after).await;
    raft.runtime_config().elect(true);
}
