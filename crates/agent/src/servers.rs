use std::sync::Arc;
use std::time::Duration;

use icefield_api::{Client, Http, HttpOptions, Keyring};
use icefield_pki::Expect;
use tokio::sync::watch;

/// The cluster's servers, as an agent goes about them.
///
/// A client goes on to the next server when one cannot be reached, but waits for one that takes a request and is silent
/// (frozen, or cut off). An agent whose lease runs out cannot wait, so it has a client for each server to begin with.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    clients: Arc<[Client]>,
    current: Arc<watch::Sender<usize>>,
}

impl Servers {
    pub(crate) fn new(urls: &[String], keyring: Option<&Keyring>) -> Self {
        let http = match keyring {
            Some(keyring) => keyring.http(HttpOptions::default(), Expect::Server),
            None => Http::new(HttpOptions::default(), None),
        };
        let rotated = |first: usize| urls.iter().cycle().skip(first).take(urls.len()).cloned();
        let clients = (0..urls.len().max(1)).map(|first| Client::over(http.clone(), rotated(first))).collect();
        Self { clients, current: Arc::default() }
    }

    /// The client that begins with a server that answers, as far as is known.
    pub(crate) fn client(&self) -> &Client {
        &self.clients[*self.current.borrow() % self.clients.len()]
    }

    /// Begins with the next server, because the one before was silent.
    pub(crate) fn pass_over(&self) {
        self.current.send_modify(|current| *current = current.wrapping_add(1));
    }

    /// Returns once a server is passed over: what waits for its answer had better ask the next one.
    pub(crate) async fn passed_over(&self) {
        // The sender is here, so it is not gone.
        let _ = self.current.subscribe().changed().await;
    }
}

/// The pause after the `failures`th request in a row that brought nothing.
pub(crate) fn pause(first: Duration, failures: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(2);
    first.saturating_mul(1 << failures.min(4)).min(LONGEST.max(first))
}
