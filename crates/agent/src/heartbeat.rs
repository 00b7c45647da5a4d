use std::collections::BTreeMap;
use std::time::Duration;

use icefield_api::{Capacity, Heartbeat, HeartbeatReply, ReplicaReport};
use icefield_spec::{Millis, Name, Revision};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::Timings;
use crate::core::Moment;
use crate::servers::Servers;

/// What of a heartbeat changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Report {
    pub(crate) generation: u64,
    /// With the moment since when each is in its state.
    pub(crate) replicas: Vec<(Moment, ReplicaReport)>,
    pub(crate) endpoints: BTreeMap<Name, Option<Revision>>,
    pub(crate) message: Option<String>,
}

/// Reports to the servers, over and over and after every change.
pub(crate) struct Heartbeats {
    pub(crate) servers: Servers,
    pub(crate) node: Name,
    pub(crate) address: String,
    pub(crate) api: String,
    pub(crate) capacity: Capacity,
    pub(crate) drivers: Vec<String>,
    pub(crate) timings: Timings,
    /// The beginning that moments count from.
    pub(crate) beginning: Instant,
}

impl Heartbeats {
    /// The least time from one heartbeat to the next: what changes within it goes together.
    const APART: Duration = Duration::from_millis(20);
    /// The bounds of how long an answer is awaited; in between it is a quarter of the lease, so that every server can be
    /// tried before that ends.
    const ANSWER: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(2));

    pub(crate) async fn run(self, mut report: watch::Receiver<Report>, replies: mpsc::UnboundedSender<HeartbeatReply>) {
        let mut every = self.timings.heartbeat;
        let mut patience = Self::ANSWER.1;
        let mut answered = true;
        loop {
            let sent = Instant::now();
            let heartbeat = self.heartbeat(&report.borrow_and_update());
            match timeout(patience, self.servers.client().heartbeat(&self.node, &heartbeat)).await {
                Ok(Ok(reply)) => {
                    if !answered {
                        tracing::info!("a server answers again");
                    }
                    answered = true;
                    every = reply.every.duration().max(Self::APART);
                    patience = (reply.lease.duration() / 4).clamp(Self::ANSWER.0, Self::ANSWER.1);
                    if replies.send(reply).is_err() {
                        return;
                    }
                }
                Ok(Err(error)) => {
                    if answered {
                        tracing::warn!(%error, "the heartbeat was not taken; replicas go on as they are");
                    }
                    answered = false;
                }
                Err(_) => {
                    if answered {
                        tracing::warn!("no answer to the heartbeat; replicas go on as they are");
                    }
                    answered = false;
                    self.servers.pass_over();
                }
            }
            sleep_until(sent + Self::APART).await;
            tokio::select! {
                // While nobody answers, a change is no reason to ask more often.
                changed = report.changed(), if answered => if changed.is_err() { return },
                () = sleep_until(sent + every) => {}
            }
        }
    }

    fn heartbeat(&self, report: &Report) -> Heartbeat {
        let now = self.beginning.elapsed();
        let since = |(since, replica): &(Moment, ReplicaReport)| {
            let millis = u64::try_from(now.saturating_sub(*since).as_millis()).unwrap_or(u64::MAX);
            ReplicaReport { since: Millis::new(millis.min(Millis::MAX.get())), ..replica.clone() }
        };
        Heartbeat {
            address: self.address.clone(),
            api: self.api.clone(),
            capacity: self.capacity,
            drivers: self.drivers.clone(),
            generation: report.generation,
            replicas: report.replicas.iter().map(since).collect(),
            endpoints: report.endpoints.clone(),
            message: report.message.clone(),
        }
    }
}
