//! Closures to and from other nodes: this node serves what its store has and what it is just getting, and gets what it lacks
//! from those that the leading server names, nearest first. Whoever sends it, it must be signed by a key that is trusted here.

mod lane;
mod reach;
mod served;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use icefield_api::{ClosurePeers, Keyring};
use icefield_cache::{
    Cache, CacheInfo, Closures, FetchOptions, Fetcher, Folder, Limits, Nix, NixStore, PathHash, Peers, PublicKey,
    Server, StoreDir,
};
use icefield_nix::{NixConfig, Sources};
use icefield_spec::{Name, StorePath};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

pub(crate) use self::lane::Lane;
use self::reach::Reach;
use self::served::served;
use crate::servers::Servers;

/// How an agent exchanges closures with those of other nodes.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// Where it serves them; port 0 takes a free one. With a keyring for nodes and servers of the cluster alone, without one
    /// for this machine alone.
    pub listen: SocketAddr,
    /// A PEM file of authorities by whom caches behind `https://` are trusted.
    pub authorities: PathBuf,
}

/// How many NARs are sent to others at once, and how many connections there may be.
const SENDING: usize = 16;
const CONNECTIONS: usize = 256;
/// How many NARs are got at once.
const AT_ONCE: usize = 4;
/// How long a server may take to say who has a closure; without an answer, the caches that the agent was told of are asked.
const ANSWER: Duration = Duration::from_secs(5);
/// For how long a closure that is not for this node is not asked about again.
const NOT_OURS: Duration = Duration::from_secs(5);
/// How long what others have asked for is kept, if this node does not come to want it.
const UNUSED: Duration = Duration::from_secs(1800);

/// The closures that are on their way to this node.
pub(crate) struct Exchange {
    node: Name,
    servers: Servers,
    sources: Sources,
    trusted: Vec<PublicKey>,
    reach: Reach,
    folder: PathBuf,
    under_way: Mutex<HashMap<PathHash, UnderWay>>,
    /// Of closures that others have asked for and that this node is not to have, when that was found out.
    not_ours: Mutex<HashMap<PathHash, Instant>>,
    /// Held by the one that begins to get a closure.
    beginning: tokio::sync::Mutex<()>,
}

/// A closure that is being got.
struct UnderWay {
    fetcher: Arc<Fetcher>,
    since: Instant,
}

impl Exchange {
    /// With the agents that `servers` know of; what comes is kept below `folder` until it is in the store.
    pub(crate) fn new(
        node: Name,
        servers: Servers,
        sources: Sources,
        keyring: Option<Keyring>,
        config: &ExchangeConfig,
        folder: PathBuf,
    ) -> Arc<Self> {
        // What an earlier agent was getting is got anew.
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %folder.display(), "what is left of closures cannot be removed");
        }
        let parse = |key: &String| match key.parse() {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::warn!(key, "no key that other nodes' closures could be trusted by: {error}");
                None
            }
        };
        let trusted = sources.trusted_keys.iter().filter_map(parse).collect();
        let reach = Reach::new(keyring, config.authorities.clone());
        let (under_way, not_ours, beginning) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Arc::new(Self { node, servers, sources, trusted, reach, folder, under_way, not_ours, beginning })
    }

    /// Serves what the store of `nix` has, and what is on its way there, as long as it is awaited.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, nix: NixConfig) {
        let Ok(dir) = nix.store_folder().parse::<StoreDir>() else { return };
        let real = nix.physical_folder();
        let store = NixStore::new(Nix::new(nix.program, nix.store), dir.clone(), real);
        let security = self.reach.security();
        let info = CacheInfo { store_dir: dir, ..CacheInfo::default() };
        let limits = Limits { sending: SENDING, connections: CONNECTIONS, forgetful: true, ..Limits::default() };
        let cache = Cache { store: Some(Arc::new(store)), closures: Some(self), ..served(info, None, limits) };
        match Server::over(listener, cache) {
            Ok(server) => server.run_until(security, std::future::pending()).await,
            Err(error) => tracing::error!(%error, "other nodes get no closures from here"),
        }
    }

    /// Begins to get a closure for this node: `nix` gets it by the lane. `None` if there is nobody to get it from but those
    /// that `nix` itself asks.
    pub(crate) async fn open(&self, path: &StorePath) -> Option<Lane> {
        let hash = hash_of(path)?;
        let fetcher = {
            let _alone = self.beginning.lock().await;
            let peers = self.ask(hash).await;
            let is_asked = |url: &String| reach::without_nix(url).is_some();
            if peers.peers.is_empty() && !self.sources.substituters.iter().any(is_asked) {
                return None;
            }
            self.begin(hash, path, &peers)?
        };
        match Lane::open(fetcher, &self.sources).await {
            Ok(lane) => Some(lane),
            Err(error) => {
                tracing::warn!(%path, %error, "it cannot be got from other nodes");
                None
            }
        }
    }

    /// A closure is in the store: what came of it need not be kept besides.
    pub(crate) fn close(&self, path: &StorePath) {
        let Some(hash) = hash_of(path) else { return };
        self.under_way().remove(&hash);
        self.clear(hash);
    }

    /// Who has it, as the leading server sees it; nobody if none can be asked.
    async fn ask(&self, hash: PathHash) -> ClosurePeers {
        let client = self.servers.client();
        let answer = timeout(ANSWER, client.closure_peers(&self.node, hash.as_str())).await;
        match answer {
            Ok(Ok(peers)) => return peers,
            Ok(Err(error)) => tracing::debug!(%hash, %error, "no server says who has it"),
            Err(_) => tracing::debug!(%hash, "no server says in time who has it"),
        }
        ClosurePeers::default()
    }

    fn begin(&self, hash: PathHash, path: &StorePath, peers: &ClosurePeers) -> Option<Arc<Fetcher>> {
        if self.trusted.is_empty() {
            return None;
        }
        self.let_go_of_unused();
        let dir: StoreDir = Path::new(path.as_str()).parent()?.to_str()?.parse().ok()?;
        let folder = match Folder::open(self.folder.join(hash.as_str()), Some(&dir)) {
            Ok(folder) => Arc::new(folder),
            Err(error) => {
                tracing::warn!(%error, "closures cannot be got from other nodes");
                return None;
            }
        };
        let sources = peers.peers.iter().filter_map(|peer| self.reach.peer(peer, hash));
        let peers = Peers::given(self.node.as_str(), sources);
        let upstreams = self.reach.upstreams(&self.sources);
        let options = FetchOptions { unpack: true, at_once: AT_ONCE };
        let fetcher = Fetcher::with(options, folder, Some(peers), upstreams, self.trusted.clone());
        let under_way = UnderWay { fetcher: Arc::clone(&fetcher), since: Instant::now() };
        self.under_way().insert(hash, under_way);
        Some(fetcher)
    }

    /// What others have asked for and this node has not come to want goes.
    fn let_go_of_unused(&self) {
        let mut under_way = self.under_way();
        let unused = |one: &UnderWay| one.since.elapsed() > UNUSED && Arc::strong_count(&one.fetcher) == 1;
        let unused: Vec<PathHash> = under_way.iter().filter(|(_, one)| unused(one)).map(|(hash, _)| *hash).collect();
        for hash in unused {
            under_way.remove(&hash);
            self.clear(hash);
        }
    }

    fn clear(&self, hash: PathHash) {
        // What is being sent of it is open, and gets to its end.
        if let Err(error) = fs::remove_dir_all(self.folder.join(hash.as_str()))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%hash, %error, "what has come of a closure stays until the next start");
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<PathHash, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What gets a closure that another node asks for, if this one is to have it too: it begins then, if it has not yet.
    async fn for_others(&self, hash: PathHash) -> Option<Arc<Fetcher>> {
        let known = || self.under_way().get(&hash).map(|one| Arc::clone(&one.fetcher));
        if let Some(fetcher) = known() {
            return Some(fetcher);
        }
        let _alone = self.beginning.lock().await;
        if let Some(fetcher) = known() {
            return Some(fetcher);
        }
        {
            let mut not_ours = self.not_ours.lock().unwrap_or_else(PoisonError::into_inner);
            not_ours.retain(|_, since| since.elapsed() < NOT_OURS);
            if not_ours.contains_key(&hash) {
                return None;
            }
        }
        let peers = self.ask(hash).await;
        let Some(path) = &peers.path else {
            self.not_ours.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, Instant::now());
            return None;
        };
        self.begin(hash, path, &peers)
    }
}

impl Closures for Exchange {
    fn fetcher(&self, hash: PathHash) -> BoxFuture<'_, Option<Arc<Fetcher>>> {
        self.for_others(hash).boxed()
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("node", &self.node).finish_non_exhaustive()
    }
}

fn hash_of(path: &StorePath) -> Option<PathHash> {
    path.base_name().get(..32)?.parse().ok()
}
