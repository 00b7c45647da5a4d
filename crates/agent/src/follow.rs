use std::time::Duration;

use icefield_plan::Generation;
use icefield_spec::Name;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::Timings;
use crate::servers::{Servers, pause};

/// Follows the node's generation.
pub(crate) struct Follow {
    pub(crate) servers: Servers,
    pub(crate) node: Name,
    pub(crate) timings: Timings,
    /// The number of the generation that the agent has.
    pub(crate) own: watch::Receiver<u64>,
    /// The number of the newest one, as heartbeats are told.
    pub(crate) newest: watch::Receiver<u64>,
}

impl Follow {
    /// How long a request for a generation that is there may take before another server is asked.
    const OVERDUE: Duration = Duration::from_millis(300);

    pub(crate) async fn run(mut self, offers: mpsc::UnboundedSender<Generation>) {
        let mut failures = 0;
        loop {
            let asked = Instant::now();
            let own = *self.own.borrow_and_update();
            let servers = self.servers.clone();
            let answer = tokio::select! {
                answer = servers.client().node_plan(&self.node, Some(own), self.timings.wait) => answer,
                () = overdue(&mut self.newest, own) => {
                    // Either the server that was asked is silent, or the answer was just on its way.
                    tracing::debug!(own, "a newer generation is there and does not come");
                    continue;
                }
            };
            match answer {
                Ok(Some(generation)) if generation.number != own => {
                    failures = 0;
                    if offers.send(generation).is_err() {
                        return;
                    }
                    // Asked again with the number of this one; where it is refused, not at once.
                    let _ = tokio::time::timeout(self.timings.retry, self.own.changed()).await;
                }
                Ok(_) => {
                    failures = 0;
                    // No plan yet, or none newer. A server that does not let the request wait must not be flooded.
                    if asked.elapsed() < self.timings.retry {
                        self.rest(own, self.timings.retry).await;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot ask for the generation");
                    self.rest(own, pause(self.timings.retry, failures)).await;
                    failures = failures.saturating_add(1);
                }
            }
        }
    }

    /// Waits for `length`, or until a heartbeat is told of a newer generation.
    async fn rest(&mut self, own: u64, length: Duration) {
        tokio::select! {
            () = sleep(length) => {}
            // Told before, it would end every rest at once.
            () = async {
                if told(&mut self.newest, own).await {
                    sleep(length / 4).await;
                }
            } => {}
        }
    }
}

/// Waits until a heartbeat is told of a generation newer than `own`; false if none will be.
async fn told(newest: &mut watch::Receiver<u64>, own: u64) -> bool {
    newest.wait_for(|newest| *newest > own).await.is_ok()
}

/// Returns when a generation newer than `own` has been there for too long.
async fn overdue(newest: &mut watch::Receiver<u64>, own: u64) {
    if !told(newest, own).await {
        std::future::pending::<()>().await;
    }
    sleep(Follow::OVERDUE).await;
}
