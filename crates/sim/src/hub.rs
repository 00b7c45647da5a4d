use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::network::{Network, Site};
use crate::outcome::Failure;
use crate::server::Server;
use crate::trace::Trace;

/// What all parts of a simulated world share: the network, who is on it, and what went wrong.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) network: Network,
    pub(crate) trace: Trace,
    /// The servers that run.
    servers: Mutex<Vec<Option<Arc<Server>>>>,
    failure: Mutex<Option<Failure>>,
    faults: Mutex<BTreeMap<&'static str, u64>>,
    /// Which start of each server is the one that counts; 0 while it is down.
    lives: Mutex<Vec<u64>>,
}

/// Why a request brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// There is no server.
    Refused,
    /// No answer came: it may have been done or not.
    Lost,
}

impl Hub {
    /// A hub of so many servers, none of which runs yet.
    pub(crate) fn new(network: Network, servers: usize) -> Self {
        Self {
            network,
            trace: Trace::start(),
            servers: Mutex::new(vec![None; servers]),
            failure: Mutex::default(),
            faults: Mutex::default(),
            lives: Mutex::new(vec![0; servers]),
        }
    }

    /// From now on, the start of this number is the one of that server which counts.
    pub(crate) fn set_life(&self, number: usize, life: u64) {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)[number] = life;
    }

    /// The server of this number, if it runs.
    pub(crate) fn server(&self, number: usize) -> Option<Arc<Server>> {
        self.servers().get(number).cloned().flatten()
    }

    /// The servers that run.
    pub(crate) fn running(&self) -> Vec<Arc<Server>> {
        self.servers().iter().flatten().cloned().collect()
    }

    /// Puts a server on the network, or takes it off; gives back the one that was there.
    pub(crate) fn set_server(&self, number: usize, server: Option<Arc<Server>>) -> Option<Arc<Server>> {
        std::mem::replace(&mut self.servers()[number], server)
    }

    /// Whether the server of this number has not crashed since the start `life`.
    pub(crate) fn lives(&self, number: usize, life: u64) -> bool {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)[number] == life
    }

    /// Asks a server something, as over HTTP: it works on that even if nobody waits for the answer any longer.
    pub(crate) async fn request<T, F>(
        self: &Arc<Self>,
        from: Site,
        to: usize,
        patience: Duration,
        handle: impl FnOnce(Arc<Server>) -> F + Send + 'static,
    ) -> Result<T, Silence>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send,
    {
        let until = Instant::now() + patience;
        let (reply, answer) = oneshot::channel();
        let hub = Arc::clone(self);
        tokio::spawn(async move {
            if !hub.network.carry(from, to).await {
                return;
            }
            let Some(server) = hub.server(to) else {
                if hub.network.carry(to, from).await {
                    let _ = reply.send(Err(Silence::Refused));
                }
                return;
            };
            let life = server.life;
            let done = handle(server).await;
            if hub.lives(to, life) && hub.network.carry(to, from).await {
                let _ = reply.send(Ok(done));
            }
        });
        match timeout_at(until, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                sleep_until(until).await;
                Err(Silence::Lost)
            }
            Err(_) => Err(Silence::Lost),
        }
    }

    /// Something is not as it must always be. The first time counts.
    pub(crate) fn fail(&self, invariant: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.trace.note(format!("BROKEN {invariant}: {message}"));
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| Failure { invariant, message, at: self.trace.elapsed() });
    }

    /// Notes what an invariant's check came to.
    pub(crate) fn check(&self, invariant: &'static str, result: Result<(), String>) {
        if let Err(message) = result {
            self.fail(invariant, message);
        }
    }

    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a fault, and tells of it.
    pub(crate) fn fault(&self, kind: &'static str, text: impl Into<String>) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
        self.trace.note(format!("{kind}: {}", text.into()));
    }

    /// The faults so far, by kind.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, u64> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let [_, lost, duplicated] = self.network.counts();
        faults.insert("lost message", lost);
        faults.insert("duplicated message", duplicated);
        faults
    }

    fn servers(&self) -> MutexGuard<'_, Vec<Option<Arc<Server>>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
