//! The cache over HTTP, as Nix speaks it.

mod answer;
mod body;
mod buffers;
mod connection;
mod etag;
mod limits;
mod range;
mod read;
mod route;
mod token;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub(crate) use self::body::Body;
pub use self::limits::Limits;
pub use self::token::Tokens;
use crate::cache_info::CacheInfo;
use crate::fetch::Fetcher;
use crate::folder::Folder;
use crate::signature::{PublicKey, SecretKey};
use crate::store::NixStore;
use crate::store_path::PathHash;

/// What a cache serves and takes.
#[derive(Debug)]
pub struct Cache {
    /// What it says of itself.
    pub info: CacheInfo,
    /// The folder that it serves, that uploads go to, and that keeps what was fetched from others.
    pub folder: Option<Arc<Folder>>,
    /// The store that it serves.
    pub store: Option<Arc<NixStore>>,
    /// Gets what is in neither from others.
    pub fetcher: Option<Arc<Fetcher>>,
    /// Gets what is in neither and belongs to a closure that the request names.
    pub closures: Option<Arc<dyn Closures>>,
    /// What it signs all that it serves with.
    pub keys: Vec<SecretKey>,
    /// Uploads must be signed by one of these; if there are none, by nobody.
    pub trusted: Vec<PublicKey>,
    /// Who may upload.
    pub tokens: Tokens,
    /// What it takes on.
    pub limits: Limits,
}

/// Knows what gets the closures that are on their way to this machine.
pub trait Closures: std::fmt::Debug + Send + Sync {
    /// What gets the closure whose path begins with `hash`; `None` if this machine is not to have it.
    fn fetcher(&self, hash: PathHash) -> BoxFuture<'_, Option<Arc<Fetcher>>>;
}

/// How connections are secured.
pub enum Security {
    /// They are not.
    Plain,
    /// By TLS with what is in the keyring of a machine of a cluster.
    Keyring(icefield_api::Keyring),
    /// The same, for other nodes and servers of the cluster alone.
    Members(icefield_api::Keyring),
    /// By TLS with a certificate of any kind.
    Certificate(Arc<icefield_pki::rustls::ServerConfig>),
}

/// A cache that is being served.
#[derive(Debug)]
pub struct Server {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    cache: Arc<Cache>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(address: SocketAddr, cache: Cache) -> std::io::Result<Self> {
        Self::over(tokio::net::TcpListener::bind(address).await?, cache)
    }

    /// Goes on with a listener that is there.
    ///
    /// # Errors
    /// It has no address.
    pub fn over(listener: tokio::net::TcpListener, cache: Cache) -> std::io::Result<Self> {
        Ok(Self { address: listener.local_addr()?, listener, cache: Arc::new(cache) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `end` is done and what was begun by then is answered.
    pub async fn run_until(self, security: Security, end: impl Future<Output = ()>) {
        connection::serve(self.listener, security, self.cache, end).await;
    }
}
