mod calls;
mod closure_peers;
mod error;
mod request;
mod retry;
mod secret;
mod sending;
mod trust;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

pub use self::error::ClientError;
use crate::{Http, HttpOptions, Keyring};

/// Talks to a cluster: to whichever of its servers answers.
///
/// Cloning is cheap, and clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    /// The token of whoever asks.
    token: Option<Arc<str>>,
    /// Whose bundle is kept up to date by the answers.
    follows: Option<Keyring>,
    servers: Arc<[String]>,
    /// The server that answered last; the next request goes there first.
    preferred: Arc<AtomicUsize>,
    /// Whether reading answers may be out of date.
    stale: bool,
    /// How long a request is sent again and again while servers are there but none answers.
    patience: Duration,
}

impl Client {
    /// How long an answer may take beyond the time it was asked to wait; and how long a request is sent again if it was not
    /// answered.
    const ANSWER: Duration = Duration::from_secs(10);
    /// How long it may take until a large answer is there.
    const LONG: Duration = Duration::from_secs(600);

    /// A client of the servers with these URLs (`http://127.0.0.1:7700`); at least one.
    pub fn new(servers: impl IntoIterator<Item = String>) -> Self {
        Self::over(Http::new(HttpOptions::default(), None), servers)
    }

    /// A client of these servers, over connections that are made as `http` says.
    pub fn over(http: Http, servers: impl IntoIterator<Item = String>) -> Self {
        let servers = servers.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let preferred = Arc::default();
        Self { http, token: None, follows: None, servers, preferred, stale: false, patience: Self::ANSWER }
    }

    /// The same, for the bearer of this token.
    pub fn bearing(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// The same, and the bundle in `keyring` follows what the cluster says.
    pub fn following(self, keyring: Keyring) -> Self {
        Self { follows: Some(keyring), ..self }
    }

    /// The same, but whatever server is asked gives reading answers from what it has itself: also when most servers are
    /// gone, and maybe out of date.
    pub fn stale(self, stale: bool) -> Self {
        Self { stale, ..self }
    }

    /// The same, but a request that was not answered is sent again for so long: 10 seconds if it is not said.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The URLs of the servers.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }
}
