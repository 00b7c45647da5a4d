use std::collections::BTreeMap;
use std::time::Duration;

use icefield_api::{Alive, Capacity, ClientError, Heartbeat, HeartbeatReply, ReplicaReport, SystemReport};
use icefield_spec::{Millis, Name, Revision};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::alarm::Alarm;
use crate::beat::beat;
use crate::core::Moment;
use crate::servers::Servers;
use crate::{Timings, boottime};

/// What of a heartbeat changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Report {
    pub(crate) generation: u64,
    /// With the moment since when each is in its state.
    pub(crate) replicas: Vec<(Moment, ReplicaReport)>,
    pub(crate) endpoints: BTreeMap<Name, Option<Revision>>,
    pub(crate) message: Option<String>,
    pub(crate) drift: Vec<String>,
    pub(crate) system: Option<SystemReport>,
}

/// What a server has answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) reply: HeartbeatReply,
    /// When that was sent which it answers, by [`boottime`].
    pub(crate) sent: u64,
}

/// Reports to the servers, over and over and after every change.
pub(crate) struct Heartbeats {
    pub(crate) servers: Servers,
    pub(crate) node: Name,
    pub(crate) address: String,
    pub(crate) api: String,
    /// Where other nodes get closures from here, if they can.
    pub(crate) cache: Option<String>,
    pub(crate) capacity: Capacity,
    pub(crate) drivers: Vec<String>,
    pub(crate) timings: Timings,
    /// The beginning that moments count from.
    pub(crate) beginning: Instant,
    /// When the agent was started, in milliseconds since 1970.
    pub(crate) started: u64,
    /// When what a server answered last was sent, by [`boottime`].
    pub(crate) contact: watch::Sender<u64>,
}

impl Heartbeats {
    /// The least time from one heartbeat to the next: what changes within it goes together.
    const APART: Duration = Duration::from_millis(20);
    /// The bounds of how long an answer is awaited; in between it is a quarter of the lease, so that every server can be
    /// tried before that ends.
    const ANSWER: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(2));
    /// How long the last word may take.
    const FAREWELL: Duration = Duration::from_millis(500);

    pub(crate) async fn run(
        self,
        mut alarm: Alarm,
        mut report: watch::Receiver<Report>,
        replies: mpsc::UnboundedSender<Reply>,
    ) {
        let mut every = self.timings.heartbeat;
        let mut patience = Self::ANSWER.1;
        let mut answered = true;
        // The number of the newest report, and whether a server knows that one.
        let (mut number, mut known) = (1, false);
        let (mut generation, mut trust) = (None, None);
        report.mark_unchanged();
        loop {
            let (sent, boot) = (Instant::now(), boottime::now());
            if report.has_changed().unwrap_or(false) {
                (number, known) = (number + 1, false);
            }
            let answer = tokio::select! {
                biased;
                answer = self.say(&mut report, number, known) => Some(answer),
                () = alarm.at(sent + patience) => None,
            };
            match answer {
                Some(Ok(reply)) => {
                    if !answered {
                        tracing::info!("a server answers again");
                    }
                    answered = true;
                    self.contact.send_replace(boot);
                    known = !reply.unknown;
                    every = reply.every.duration().max(Self::APART);
                    patience = (reply.lease.duration() / 4).clamp(Self::ANSWER.0, Self::ANSWER.1);
                    // The agent is woken for news only.
                    let news = generation.replace(reply.generation) != Some(reply.generation);
                    let news = trust.replace(reply.trust) != Some(reply.trust) || news;
                    if (news || reply.fence.is_some() || !reply.endpoints.is_empty())
                        && replies.send(Reply { reply, sent: boot }).is_err()
                    {
                        return;
                    }
                    if !known {
                        every = Self::APART;
                    }
                }
                Some(Err(error)) => {
                    if answered {
                        tracing::warn!(%error, "the heartbeat was not taken; replicas go on as they are");
                    }
                    (answered, known) = (false, false);
                }
                None => {
                    if answered {
                        tracing::warn!("no answer to the heartbeat; replicas go on as they are");
                    }
                    (answered, known) = (false, false);
                    self.servers.pass_over();
                }
            }
            tokio::select! {
                // While nobody answers, a change is no reason to ask more often.
                changed = report.changed(), if answered => {
                    if changed.is_err() {
                        return;
                    }
                    report.mark_changed();
                    alarm.at(sent + Self::APART).await;
                }
                () = alarm.at(self.beginning + beat(sent + every - self.beginning, every)) => {}
            }
        }
    }

    /// Says how things stand; or, if the report of this number is known, that it is still true.
    async fn say(
        &self,
        report: &mut watch::Receiver<Report>,
        number: u64,
        known: bool,
    ) -> Result<HeartbeatReply, ClientError> {
        let client = self.servers.client();
        if known {
            return client.alive(&self.node, &Alive { started: self.started, number }).await;
        }
        let heartbeat = self.heartbeat(&report.borrow_and_update(), number);
        client.heartbeat(&self.node, &heartbeat).await
    }

    /// The last word of an agent that has stopped its replicas: nobody needs to wait for its lease.
    pub(crate) async fn leave(&self, report: &Report) {
        let heartbeat = Heartbeat { leaving: true, ..self.heartbeat(report, 0) };
        // Without an answer, its lease runs out.
        let _ = timeout(Self::FAREWELL, self.servers.client().heartbeat(&self.node, &heartbeat)).await;
    }

    fn heartbeat(&self, report: &Report, number: u64) -> Heartbeat {
        let now = self.beginning.elapsed();
        let since = |(since, replica): &(Moment, ReplicaReport)| {
            let millis = u64::try_from(now.saturating_sub(*since).as_millis()).unwrap_or(u64::MAX);
            ReplicaReport { since: Millis::new(millis.min(Millis::MAX.get())), ..replica.clone() }
        };
        Heartbeat {
            started: self.started,
            number,
            address: self.address.clone(),
            api: self.api.clone(),
            cache: self.cache.clone(),
            capacity: self.capacity,
            drivers: self.drivers.clone(),
            generation: report.generation,
            replicas: report.replicas.iter().map(since).collect(),
            endpoints: report.endpoints.clone(),
            message: report.message.clone(),
            drift: report.drift.clone(),
            system: report.system.clone(),
            leaving: false,
        }
    }
}
