use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use icefield_api::{Alive, Capacity, Heartbeat, HeartbeatReply, ReplicaReport, ReplicaState};
use icefield_placement::ReplicaId;
use icefield_plan::Generation;
use icefield_spec::{Bytes, Cpu, Millis, Name, Revision};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::fleet::Fleet;
use crate::connection::Connection;

/// An agent as the servers see one: it reports as often as it is told to, waits for its generation on a second connection,
/// and says of each replica that it is healthy as soon as it knows of it. Nothing runs.
pub(super) struct Agent {
    node: Name,
    fleet: Arc<Fleet>,
    report: Mutex<Report>,
    /// Rises with the report's number.
    changed: watch::Sender<u64>,
}

/// What an agent has to say.
#[derive(Debug, Default)]
struct Report {
    generation: u64,
    /// The replicas with the moment when each came to be healthy.
    replicas: BTreeMap<ReplicaId, (Instant, Revision)>,
}

impl Agent {
    /// The least time from one heartbeat to the next, and from one failure to the next attempt.
    const APART: Duration = Duration::from_millis(20);
    const RETRY: Duration = Duration::from_millis(300);
    /// How long a request for the next generation waits, in milliseconds.
    const WAIT: u64 = 30_000;
    /// What the process of a simulated agent calls its start: any number does.
    const STARTED: u64 = 1;

    pub(super) fn new(node: Name, fleet: Arc<Fleet>) -> Arc<Self> {
        let (report, changed) = (Mutex::default(), watch::Sender::new(1));
        Arc::new(Self { node, fleet, report, changed })
    }

    /// Lives until it is aborted.
    pub(super) async fn run(self: Arc<Self>) {
        tokio::join!(self.heartbeats(), self.follow());
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn heartbeats(&self) {
        let mut changed = self.changed.subscribe();
        let mut server = 0;
        loop {
            if let Err(error) = self.beat(&mut changed, server).await {
                self.fleet.failed(&format!("heartbeat of {}: {error}", self.node));
            }
            server += 1;
            sleep(Self::RETRY).await;
        }
    }

    /// Sends heartbeats over one connection until one fails.
    async fn beat(&self, changed: &mut watch::Receiver<u64>, server: usize) -> io::Result<()> {
        let mut connection = Connection::open(self.fleet.server(server)).await?;
        let (alive_path, full_path) =
            (format!("/v1/nodes/{}/alive", self.node), format!("/v1/nodes/{}/heartbeat", self.node));
        let mut known = None;
        loop {
            let number = *changed.borrow_and_update();
            let (path, body) = if known == Some(number) {
                (&alive_path, serde_json::to_vec(&Alive { started: Self::STARTED, number })?)
            } else {
                (&full_path, serde_json::to_vec(&self.heartbeat(number))?)
            };
            let sent = Instant::now();
            let answer = connection.ask("POST", path, "", &body).await?;
            if answer.status != 200 {
                return Err(io::Error::other(String::from_utf8_lossy(answer.body).into_owned()));
            }
            let reply: HeartbeatReply = serde_json::from_slice(answer.body)?;
            let first = known.is_none();
            known = (!reply.unknown).then_some(number);
            self.fleet.answered(sent.elapsed(), first);
            if known.is_none() {
                sleep(Self::APART).await;
                continue;
            }
            tokio::select! {
                _ = changed.changed() => {
                    changed.mark_changed();
                    sleep_until(sent + Self::APART).await;
                }
                () = sleep_until(sent + reply.every.duration()) => {}
            }
        }
    }

    fn heartbeat(&self, number: u64) -> Heartbeat {
        let report = self.report();
        let replicas = report.replicas.iter().map(|(replica, (since, revision))| ReplicaReport {
            replica: replica.clone(),
            revision: *revision,
            state: ReplicaState::Healthy,
            pid: Some(1),
            since: Millis::new(since.elapsed().as_millis() as u64),
            restarts: 0,
            message: None,
            exit: None,
        });
        Heartbeat {
            started: Self::STARTED,
            number,
            address: "127.0.0.1".into(),
            api: "http://127.0.0.1:1".into(),
            cache: None,
            capacity: Capacity { cpu: Cpu::from_millis(16_000), memory: Bytes::new(64 << 30), ports: None },
            drivers: vec!["exec".into()],
            generation: report.generation,
            replicas: replicas.collect(),
            endpoints: BTreeMap::new(),
            message: None,
            drift: Vec::new(),
            system: None,
            leaving: false,
        }
    }

    async fn follow(&self) {
        let mut server = 0;
        loop {
            if let Err(error) = self.wait(server).await {
                self.fleet.failed(&format!("plan of {}: {error}", self.node));
            }
            server += 1;
            sleep(Self::RETRY).await;
        }
    }

    /// Takes up one generation after the other over one connection until that fails.
    async fn wait(&self, server: usize) -> io::Result<()> {
        let mut connection = Connection::open(self.fleet.server(server)).await?;
        loop {
            let own = self.report().generation;
            let path = format!("/v1/nodes/{}/plan?after={own}&wait={}", self.node, Self::WAIT);
            let answer = connection.ask("GET", &path, "", b"").await?;
            match answer.status {
                200 => {
                    let generation: Generation = serde_json::from_slice(answer.body)?;
                    if generation.number != own {
                        self.take(generation);
                    }
                }
                // There is none yet.
                404 => sleep(Self::RETRY).await,
                _ => return Err(io::Error::other(String::from_utf8_lossy(answer.body).into_owned())),
            }
        }
    }

    fn take(&self, generation: Generation) {
        let now = Instant::now();
        let (before, after) = {
            let mut report = self.report();
            let mut old = std::mem::take(&mut report.replicas);
            let before = old.len();
            report.generation = generation.number;
            report.replicas = generation
                .plan
                .replicas
                .iter()
                .map(|(replica, planned)| {
                    let same = old.remove(replica).filter(|(_, revision)| *revision == planned.revision);
                    (replica.clone(), same.unwrap_or((now, planned.revision)))
                })
                .collect();
            (before, report.replicas.len())
        };
        self.fleet.placed(before, after);
        self.changed.send_modify(|number| *number += 1);
    }
}
