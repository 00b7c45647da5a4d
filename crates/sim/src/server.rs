use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use icefield_api::Heartbeat;
use icefield_control::observe::registration;
use icefield_control::raft::{Disk, Founders, Group, GroupConfig, Leader, Start};
use icefield_control::reconcile::Config;
use icefield_control::{Applied, Clock, Command, Leading, ProposeError, State, Timings, view};
use icefield_plan::Generation;
use icefield_spec::Name;
use tokio::task::JoinSet;

use crate::disk::SimDisk;
use crate::hub::Hub;
use crate::run::Setup;
use crate::wire::Wire;

/// A server from one start to its next crash: the real group and the real loop of the leader, on a simulated disk and
/// network.
pub(crate) struct Server {
    pub(crate) number: usize,
    /// Which start of all.
    pub(crate) life: u64,
    pub(crate) group: Arc<Group>,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) clock: Clock,
    leading: Arc<Leading>,
    setup: Setup,
    tasks: Mutex<JoinSet<()>>,
}

/// What a server is started with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) number: usize,
    pub(crate) life: u64,
    pub(crate) founders: Founders,
    pub(crate) names: Arc<[String]>,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) timings: Timings,
    pub(crate) setup: Setup,
}

/// What a server answers to a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply {
    /// The number of the node's newest generation.
    pub(crate) generation: u64,
    /// For how long the node may run its singletons, counted from the moment when the heartbeat was sent; nothing new is
    /// promised if it is absent.
    pub(crate) fence: Option<Duration>,
}

/// Why a server did not do what it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) error: ProposeError,
    /// Who leads, as far as it knows.
    pub(crate) leader: Option<String>,
}

impl Server {
    /// Starts a server on its disk; `Err` says why that cannot be.
    pub(crate) async fn start(hub: &Arc<Hub>, beginning: Beginning) -> Result<Self, String> {
        let Beginning { number, life, founders, names, disk, clock, config, timings, setup } = beginning;
        let name = names[number].clone();
        let wire = Wire { hub: Arc::clone(hub), from: number, life, names };
        let group = Group::start(GroupConfig {
            name,
            start: Start::Form(founders),
            disk: Arc::clone(&disk) as Arc<dyn Disk>,
            transport: Arc::new(wire),
            timings,
        });
        let group = Arc::new(group.await.map_err(|error| error.to_string())?);
        let leading = Arc::new(Leading::new(Arc::clone(&group), config, clock));
        let mut tasks = JoinSet::new();
        let (leads, watched, hub) = (Arc::clone(&leading), Arc::clone(&group), Arc::clone(hub));
        tasks.spawn(async move { leads.run().await });
        tasks.spawn(async move {
            let reason = watched.failed().await;
            hub.fail("servers go on", format!("{} has stopped by itself: {reason}", watched.name()));
        });
        Ok(Self { number, life, group, disk, clock, leading, setup, tasks: Mutex::new(tasks) })
    }

    /// Ends all that it does. Nobody hears of it any more: it was taken off the network before.
    pub(crate) fn end(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let group = Arc::clone(&self.group);
        tokio::spawn(async move { group.shutdown().await });
    }

    /// Takes up what an agent says, as the server's API does.
    pub(crate) async fn heartbeat(&self, node: &Name, heartbeat: Heartbeat) -> Result<Reply, Refusal> {
        let register = registration(&*self.group.state().await, node, &heartbeat, self.clock.now());
        let result = self.leading.heartbeat(node, heartbeat).await;
        result.map_err(|error| self.refusal(error))?;
        if let Some(command) = register {
            self.propose(&command).await?;
        }
        let fence = self.promise(node).await;
        let generation = self.group.state().await.nodes.get(node).map_or(0, |record| record.generation);
        Ok(Reply { generation, fence })
    }

    /// For how long a node that was just heard of may run its singletons. A server that does not keep its promises says
    /// much more than it will wait for.
    async fn promise(&self, node: &Name) -> Option<Duration> {
        let fence = self.leading.promise(node).await.ok()?.fence;
        let more = if self.setup.kept_promises { 1 } else { 100 };
        fence.map(|fence| fence.duration() * more)
    }

    /// A node's generation.
    pub(crate) async fn plan(&self, node: &Name) -> Result<Option<Generation>, Refusal> {
        Ok(self.read().await?.node_plan(node))
    }

    /// The values of the secrets that a node's plan names, by the numbers of their versions. Nothing is sealed here.
    pub(crate) async fn secrets(&self, node: &Name) -> Result<BTreeMap<u64, String>, Refusal> {
        let state = self.read().await?;
        let given = view::secrets_of(&state, node).into_iter();
        Ok(given.map(|(number, (_, version))| (number, version.sealed.value.clone())).collect())
    }

    /// The state as it is now, for sure.
    pub(crate) async fn read(&self) -> Result<Arc<State>, Refusal> {
        self.state(self.setup.confirmed_reads).await
    }

    async fn state(&self, confirmed: bool) -> Result<Arc<State>, Refusal> {
        match confirmed {
            true => self.group.current_state().await.map_err(|error| self.refusal(error)),
            false if self.leads() => Ok(self.group.state().await),
            false => Err(self.refusal(ProposeError::NotLeader)),
        }
    }

    /// Has a command agreed on.
    pub(crate) async fn propose(&self, command: &Command) -> Result<Applied, Refusal> {
        self.group.propose(command.clone()).await.map_err(|error| self.refusal(error))
    }

    /// Whether it takes itself for the leader.
    pub(crate) fn leads(&self) -> bool {
        matches!(*self.group.leader().borrow(), Leader::Me(_))
    }

    fn refusal(&self, error: ProposeError) -> Refusal {
        let leader = match &*self.group.leader().borrow() {
            Leader::Other(member) => Some(member.name.clone()),
            Leader::Me(_) | Leader::Nobody => None,
        };
        Refusal { error, leader }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("number", &self.number).field("life", &self.life).finish_non_exhaustive()
    }
}
