use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use icefield_pki::nobody_config;
use icefield_pki::rustls::ClientConfig;

/// The connections of a client. What it proves itself with and whom it trusts can be replaced; requests that are under way
/// end as they began.
#[derive(Clone)]
pub struct Http {
    options: HttpOptions,
    current: Arc<RwLock<reqwest::Client>>,
}

/// How connections are made.
#[derive(Debug, Clone, Copy)]
pub struct HttpOptions {
    /// How long one may take to be made.
    pub connect: Duration,
    /// How long an idle one is kept.
    pub idle: Duration,
    /// Whether each request under way has a connection for itself (HTTP/1.1): for large bodies that must not hold up others.
    pub apart: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), idle: Duration::from_secs(15), apart: false }
    }
}

impl Http {
    /// Connections over TLS as `tls` says, or plain ones.
    pub fn new(options: HttpOptions, tls: Option<ClientConfig>) -> Self {
        Self { options, current: Arc::new(RwLock::new(build(options, tls))) }
    }

    /// What the next request is to be sent with.
    pub fn get(&self) -> reqwest::Client {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the next connections as `tls` says.
    pub fn replace(&self, tls: ClientConfig) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = build(self.options, Some(tls));
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How long a connection may be silent before its other end is asked whether it is there, and how long that may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

fn build(options: HttpOptions, tls: Option<ClientConfig>) -> reqwest::Client {
    let mut tls = tls.unwrap_or_else(nobody_config);
    if options.apart {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(options.connect)
        .pool_idle_timeout(options.idle)
        .http2_adaptive_window(true)
        // Else requests would go on to be sent over a connection whose other end is cut off.
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .http2_keep_alive_timeout(KEEP_ALIVE.1)
        .no_proxy()
        .build()
        .expect("a client with a TLS configuration of ours needs nothing that could be missing")
}
