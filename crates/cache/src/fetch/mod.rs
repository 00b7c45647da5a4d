//! Gets paths from other caches: nearest first, each verified by signature and hash while it comes, and kept.
//!
//! However many ask for a path at the same time, it is got once. In a cluster, nodes get it from each other along a tree of its
//! own ([`Peers`]), so that whoever has it first sends it a few times, however many nodes there are.

mod flight;
mod peers;
mod source;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::flight::Flight;
pub(crate) use self::flight::Reader;
pub use self::peers::{Peer, Peers};
pub use self::source::Source;
pub(crate) use self::source::told;
use crate::folder::Folder;
use crate::narinfo::NarInfo;
use crate::signature::PublicKey;
use crate::store_path::{PathHash, StoreDir};

/// The header that says through which peers a request has come.
pub(crate) const VIA: &str = "icefield-via";
/// The header that says which closure all that is asked for belongs to.
pub(crate) const CLOSURE: &str = "icefield-closure";
/// How long a peer waits for a NAR that is not on its way yet, before it is told to come again.
const SOON: Duration = Duration::from_secs(4);
/// How much is remembered of what sources did wrong.
const COMPLAINTS: usize = 16;
/// Through how many peers a request goes at most.
const FARTHEST: usize = 16;
/// For how long what nobody has is not asked for again.
const MISSING: Duration = Duration::from_secs(1);
/// For how long what a source has said of a path is good.
const KNOWN: Duration = Duration::from_secs(600);
/// How many paths are remembered.
const REMEMBERED: usize = 20_000;

/// Gets paths from others and keeps them in a folder.
pub struct Fetcher {
    folder: Arc<Folder>,
    peers: Option<Peers>,
    upstreams: Vec<Arc<Source>>,
    trusted: Vec<PublicKey>,
    asking: Mutex<HashMap<PathHash, Asking>>,
    known: Mutex<HashMap<PathHash, (Instant, Option<Found>)>>,
    flights: Mutex<HashMap<PathHash, Arc<Flight>>>,
    unpack: bool,
    /// Who may be getting a path.
    turns: Semaphore,
    complaints: Mutex<Vec<String>>,
}

/// How paths are got.
#[derive(Debug, Clone, Copy)]
pub struct FetchOptions {
    /// Whether they are kept, and sent on, not compressed, as stores have them: so all that have one have the same, and one can
    /// go on where another was cut off.
    pub unpack: bool,
    /// How many at once; others wait.
    pub at_once: usize,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { unpack: false, at_once: 1 << 10 }
    }
}

type Asking = Shared<BoxFuture<'static, Result<Option<Found>, FetchError>>>;

/// A path, as a source says it.
#[derive(Debug, Clone)]
struct Found {
    info: Arc<NarInfo>,
    source: Arc<Source>,
}

/// A path cannot be got.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// No source could be asked, or the last one failed.
    #[error("{0}")]
    Sources(String),
    /// It was got and was not what it should be, from every source.
    #[error("{path} cannot be got: {problem}")]
    Bad {
        /// The path.
        path: String,
        /// What was wrong.
        problem: String,
    },
    /// It cannot be kept: that is of this machine's making, whoever sends it.
    #[error("{path} cannot be kept: {source}")]
    Here {
        /// The path.
        path: String,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// Too much else is to be got first.
    #[error("too much else is to be got first; ask again in a second")]
    Busy,
}

impl Fetcher {
    /// Gets paths from peers, if there are any, else from upstreams in this order, and keeps them in `folder`. Only what one
    /// of the keys has signed is taken.
    pub fn new(
        folder: Arc<Folder>,
        peers: Option<Peers>,
        upstreams: Vec<Source>,
        trusted: Vec<PublicKey>,
    ) -> Arc<Self> {
        Self::with(FetchOptions::default(), folder, peers, upstreams, trusted)
    }

    /// The same, as `options` say.
    pub fn with(
        options: FetchOptions,
        folder: Arc<Folder>,
        peers: Option<Peers>,
        upstreams: Vec<Source>,
        trusted: Vec<PublicKey>,
    ) -> Arc<Self> {
        Arc::new(Self {
            unpack: options.unpack,
            turns: Semaphore::new(options.at_once.max(1)),
            complaints: Mutex::default(),
            folder,
            peers,
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            trusted,
            asking: Mutex::default(),
            known: Mutex::default(),
            flights: Mutex::default(),
        })
    }

    /// Where it keeps what it has got.
    pub fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// What sources have done that they must not, as far as is known; it is not told again.
    pub fn complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.complaints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A source has sent what it must not.
    fn complain(&self, source: &Source, path: &str, problem: &str) {
        tracing::warn!(source = source.url(), path, "{problem}");
        source.pass_over();
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.len() < COMPLAINTS {
            complaints.push(format!("{}: {path}: {problem}", source.url()));
        }
    }

    fn store_dir(&self) -> &StoreDir {
        &self.folder.info().store_dir
    }

    /// Gets a path and all that is known of it: its NAR is in the folder then. `None` if nobody has it.
    ///
    /// # Errors
    /// Nobody could be asked, or what they have is not what it should be.
    pub async fn fetch(self: &Arc<Self>, hash: PathHash) -> Result<Option<Arc<NarInfo>>, FetchError> {
        let here = || self.folder.narinfo(hash).ok().flatten().map(|kept| Arc::clone(&kept.info));
        if let Some(info) = here() {
            return Ok(Some(info));
        }
        let Some(info) = self.narinfo(hash, None).await? else { return Ok(None) };
        self.nar(&info, None).await?.done().await?;
        Ok(Some(here().unwrap_or(info)))
    }

    /// What others say of a path.
    pub(crate) async fn narinfo(
        self: &Arc<Self>,
        hash: PathHash,
        via: Option<&str>,
    ) -> Result<Option<Arc<NarInfo>>, FetchError> {
        Ok(self.find(hash, via).await?.map(|found| found.info))
    }

    async fn find(self: &Arc<Self>, hash: PathHash, via: Option<&str>) -> Result<Option<Found>, FetchError> {
        if self.is_loop(via) {
            return self.ask(hash, self.upstreams.clone(), None).await;
        }
        if let Some((at, found)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&hash)
            && at.elapsed() < if found.is_some() { KNOWN } else { MISSING }
        {
            return Ok(found.clone());
        }
        let asking = {
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            let ask = || {
                let (this, via) = (Arc::clone(self), self.through(via));
                let ask = async move {
                    let found = this.ask(hash, this.sources(hash), via).await;
                    this.asking.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
                    if let Ok(found) = &found {
                        this.remember(hash, found.clone());
                    }
                    found
                };
                // By itself, so that it goes on when the one that asked first is gone.
                let task = tokio::spawn(ask);
                async move { task.await.unwrap_or_else(|_| Err(FetchError::Sources("the question was ended".into()))) }
                    .boxed()
                    .shared()
            };
            asking.entry(hash).or_insert_with(ask).clone()
        };
        asking.await
    }

    fn remember(&self, hash: PathHash, found: Option<Found>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(hash, (Instant::now(), found));
    }

    /// Asks sources in order until one has the path and somebody who is trusted has signed it.
    async fn ask(
        &self,
        hash: PathHash,
        sources: Vec<Arc<Source>>,
        via: Option<String>,
    ) -> Result<Option<Found>, FetchError> {
        let mut failed = None;
        for source in sources {
            match source.narinfo(hash, via.as_deref()).await {
                Ok(None) => {}
                // Another one may have it as it can be read.
                Ok(Some(info)) if !info.compression.is_read() => {
                    tracing::debug!(source = source.url(), %hash, "passed over: it has it by {}", info.compression);
                }
                Ok(Some(info)) => match self.distrust(hash, &info) {
                    None => {
                        let info = Arc::new(if self.unpack { info.unpacked() } else { info });
                        return Ok(Some(Found { info, source }));
                    }
                    Some(problem) => {
                        self.complain(&source, info.path.as_str(), &problem);
                        failed = Some(format!("{}: {problem}", source.url()));
                    }
                },
                Err(problem) => {
                    tracing::debug!(source = source.url(), %hash, "{problem}");
                    // Peers come and go.
                    if self.upstreams.iter().any(|upstream| Arc::ptr_eq(upstream, &source)) {
                        failed = Some(format!("{}: {problem}", source.url()));
                    }
                }
            }
        }
        failed.map_or(Ok(None), |problem| Err(FetchError::Sources(problem)))
    }

    /// Why what a source says is not taken.
    fn distrust(&self, hash: PathHash, info: &NarInfo) -> Option<String> {
        if info.path.hash() != hash {
            return Some("it answers with another path".into());
        }
        if info.store_dir != *self.store_dir() {
            return Some(format!("it is of the store {}, not of {}", info.store_dir, self.store_dir()));
        }
        if !info.is_signed_by(&self.trusted) {
            let keys: Vec<&str> = self.trusted.iter().map(PublicKey::name).collect();
            return Some(format!("no key that is trusted here has signed it ({})", keys.join(", ")));
        }
        info.file_name().is_none().then(|| format!("its NAR is at {:?}, not in nar/", info.url))
    }

    /// The NAR of a path, as it comes.
    pub(crate) async fn nar(self: &Arc<Self>, info: &Arc<NarInfo>, via: Option<&str>) -> Result<Reader, FetchError> {
        let hash = info.path.hash();
        if self.is_loop(via) {
            return Err(FetchError::Sources("the peers ask each other for it".into()));
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).and_then(|one| one.1.clone());
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = || {
                let mut sources = self.sources(hash);
                // Who has said that it has it comes first.
                if let Some(known) = &known {
                    sources.retain(|source| !Arc::ptr_eq(source, &known.source));
                    sources.insert(0, Arc::clone(&known.source));
                }
                let flight = Arc::new(Flight::new(Arc::clone(info), self.unpack));
                let (this, flown, via) = (Arc::clone(self), Arc::clone(&flight), self.through(via));
                tokio::spawn(async move {
                    flown.run(&this, sources, via).await;
                    this.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
                });
                flight
            };
            Arc::clone(flights.entry(hash).or_insert_with(begin))
        };
        match via {
            Some(_) => timeout(SOON, flight.reader()).await.unwrap_or(Err(FetchError::Busy)),
            None => flight.reader().await,
        }
    }

    /// Where a path is looked for, nearest first.
    fn sources(&self, hash: PathHash) -> Vec<Arc<Source>> {
        let peers = self.peers.iter().flat_map(|peers| peers.sources(hash));
        peers.chain(self.upstreams.iter().cloned()).collect()
    }

    /// Whether a request has come here before.
    fn is_loop(&self, via: Option<&str>) -> bool {
        let (Some(peers), Some(via)) = (&self.peers, via) else { return false };
        via.split(',').any(|name| name == peers.own_name()) || via.split(',').count() >= FARTHEST
    }

    /// What to send along: through whom the request has come, and this one.
    fn through(&self, via: Option<&str>) -> Option<String> {
        let own = self.peers.as_ref()?.own_name();
        Some(via.map_or_else(|| own.to_owned(), |via| format!("{via},{own}")))
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("peers", &self.peers)
            .field("upstreams", &self.upstreams)
            .finish_non_exhaustive()
    }
}
