use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use icefield_api::{Alive, Capacity, Client, Heartbeat, ReplicaReport, ReplicaState};
use icefield_placement::ReplicaId;
use icefield_plan::NodePlan;
use icefield_spec::{Bytes, Cpu, Millis, Name, Revision};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a simulated replica takes from its start until it is healthy.
pub(super) const WARM_UP: Duration = Duration::from_millis(200);

/// Agents without processes: they speak to the servers as real ones do, and their replicas fare as they are to.
pub(super) struct Agents {
    _tasks: JoinSet<()>,
}

/// One of them.
struct Agent {
    node: Name,
    client: Client,
    machine: Mutex<Machine>,
    news: Notify,
}

#[derive(Default)]
struct Machine {
    number: u64,
    plan: Option<NodePlan>,
    processes: BTreeMap<ReplicaId, Process>,
}

struct Process {
    revision: Revision,
    state: ReplicaState,
    since: Instant,
    /// When it ends, once it is wanted no more.
    leaves: Option<Instant>,
}

impl Agents {
    /// Starts one for each of `nodes`.
    pub(super) fn start(client: &Client, nodes: impl IntoIterator<Item = Name>) -> Self {
        let mut tasks = JoinSet::new();
        for node in nodes {
            let agent =
                Arc::new(Agent { node, client: client.clone(), machine: Mutex::default(), news: Notify::new() });
            tasks.spawn(Arc::clone(&agent).follow());
            tasks.spawn(agent.report());
        }
        Self { _tasks: tasks }
    }
}

impl Agent {
    /// The pause after a request that brought nothing.
    const PAUSE: Duration = Duration::from_millis(50);

    /// Takes up each plan of its node.
    async fn follow(self: Arc<Self>) {
        loop {
            let own = self.machine().number;
            let generation = self.client.node_plan(&self.node, Some(own), Duration::from_secs(30)).await;
            let Ok(Some(generation)) = generation else {
                sleep(Self::PAUSE).await;
                continue;
            };
            let mut machine = self.machine();
            (machine.number, machine.plan) = (generation.number, Some(generation.plan));
            drop(machine);
            self.news.notify_one();
        }
    }

    /// Says how its replicas fare, at once when that changes.
    async fn report(self: Arc<Self>) {
        let (mut every, mut number, mut told) = (Duration::from_millis(250), 0, None);
        loop {
            let sent = Instant::now();
            let (said, next) = self.machine().pass(sent);
            let reply = if told.as_ref() == Some(&said) {
                self.client.alive(&self.node, &Alive { started: 1, number }).await
            } else {
                number += 1;
                self.client.heartbeat(&self.node, &self.heartbeat(number)).await
            };
            match reply {
                Ok(reply) => {
                    told = (!reply.unknown).then_some(said);
                    every = reply.every.duration();
                }
                Err(_) => told = None,
            }
            let until = next.map_or(sent + every, |next| next.min(sent + every));
            // Both a plan and time that passes are reasons to look again.
            let _ = timeout_at(until, self.news.notified()).await;
        }
    }

    fn heartbeat(&self, number: u64) -> Heartbeat {
        let machine = self.machine();
        Heartbeat {
            started: 1,
            number,
            address: "127.0.0.1".into(),
            api: "http://127.0.0.1:1".into(),
            cache: None,
            capacity: Capacity { cpu: Cpu::from_millis(8_000), memory: Bytes::new(16 << 30), ports: None },
            drivers: vec!["exec".into()],
            generation: machine.number,
            replicas: machine.processes.iter().map(|(replica, process)| process.report(replica)).collect(),
            endpoints: BTreeMap::new(),
            message: None,
            drift: Vec::new(),
            system: None,
            leaving: false,
        }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is to say besides times.
type Said = (u64, Vec<(ReplicaId, Revision, ReplicaState)>);

impl Machine {
    /// Lets time pass until `now`; what there is to say then, and when something happens next.
    fn pass(&mut self, now: Instant) -> (Said, Option<Instant>) {
        let Self { plan, processes, .. } = self;
        let Some(plan) = plan else { return ((0, Vec::new()), None) };
        processes.retain(|replica, process| {
            let stays = plan.replicas.get(replica).is_some_and(|planned| planned.revision == process.revision);
            process.leaves = match (stays, process.state) {
                (true, _) => None,
                (false, ReplicaState::Healthy) => Some(process.leaves.unwrap_or(now + super::DRAIN)),
                (false, _) => Some(now),
            };
            process.leaves.is_none_or(|leaves| leaves > now)
        });
        for (replica, planned) in &plan.replicas {
            let starts =
                || Process { revision: planned.revision, state: ReplicaState::Starting, since: now, leaves: None };
            let process = processes.entry(replica.clone()).or_insert_with(starts);
            if process.state == ReplicaState::Starting && process.since + WARM_UP <= now {
                (process.state, process.since) = (ReplicaState::Healthy, process.since + WARM_UP);
            }
        }
        let next = processes.values().filter_map(|process| match process.state {
            ReplicaState::Starting => Some(process.since + WARM_UP),
            _ => process.leaves,
        });
        let next = next.min();
        let said = processes.iter().map(|(replica, process)| (replica.clone(), process.revision, process.shown()));
        ((self.number, said.collect()), next)
    }
}

impl Process {
    fn shown(&self) -> ReplicaState {
        if self.leaves.is_some() { ReplicaState::Stopping } else { self.state }
    }

    fn report(&self, replica: &ReplicaId) -> ReplicaReport {
        let since = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        ReplicaReport {
            replica: replica.clone(),
            revision: self.revision,
            state: self.shown(),
            pid: Some(1),
            since: Millis::new(since),
            restarts: 0,
            message: None,
            exit: None,
        }
    }
}
