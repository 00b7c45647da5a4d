use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::http::{self, Admission, App};
use crate::leading::Leading;
use crate::raft::{Group, GroupConfig, GroupError, Member, Members, Timings};
use crate::reconcile::Config;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Its name in the group.
    pub name: String,
    /// Where it listens; an address of the loopback interface.
    pub listen: SocketAddr,
    /// The whole group, this server among them: each server's name and URL. If empty, this server is a group by
    /// itself.
    pub peers: Vec<(String, String)>,
    /// Its folder; it must be no other server's.
    pub data: PathBuf,
    /// How fast the group is to notice and to do things.
    pub timings: Timings,
    /// What the cluster is set to.
    pub cluster: Config,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would be reachable from other machines.
    #[error(
        "servers speak plain HTTP until TLS arrives (a later version), so {0} is refused; listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// It cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two servers of the group have the same name.
    #[error("two servers are named {0:?}; give each a name of its own")]
    SameName(String),
    /// It cannot take part in the group.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// It cannot reach other servers.
    #[error("no client for the other servers: {0}")]
    Client(#[source] reqwest::Error),
}

/// Why a server ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its part of the group failed: most often because the disk does.
    #[error("server {name} cannot go on: {reason}; repair that and start it again")]
    Failed {
        /// The server.
        name: String,
        /// Why.
        reason: String,
    },
}

/// A running server: it holds its part of the state, serves the API, and decides while it leads.
pub struct Server {
    address: SocketAddr,
    group: Arc<Group>,
    ending: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    /// How long an idle connection to another server is kept: shorter than that one keeps it.
    const IDLE: Duration = Duration::from_secs(15);
    /// How long a connection to another server may take.
    const CONNECT: Duration = Duration::from_secs(1);
    /// How long requests may take to be finished when the server ends.
    const FINISH: Duration = Duration::from_millis(500);

    /// Starts a server.
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        if !config.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(config.listen));
        }
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        Self::start_on(listener, config).await
    }

    /// Starts a server with a listener that is there already; [`ServerConfig::listen`] does not count.
    pub async fn start_on(listener: TcpListener, config: ServerConfig) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let members = Arc::new(members(&config, address)?);
        let http = reqwest::Client::builder()
            .connect_timeout(Self::CONNECT)
            .pool_idle_timeout(Self::IDLE)
            .no_proxy()
            .build()
            .map_err(StartError::Client)?;
        let ServerConfig { name, data, timings, cluster: config, .. } = config;
        let group = GroupConfig { name, members, data, timings, http: http.clone() };
        let group = Arc::new(Group::start(group).await?);
        let clock = Clock::start();
        let leading = Arc::new(Leading::new(Arc::clone(&group), config, clock));
        let (ending, ends) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let (looking, leads) = (Arc::default(), Arc::clone(&leading));
        let app = App {
            group: Arc::clone(&group),
            leading: leads,
            clock,
            timings,
            config,
            http,
            looking,
            admission: Admission::new(),
            leader_heard: Default::default(),
            ends,
        };
        tasks.spawn(http::serve(listener, http::router(Arc::new(app)), ending.subscribe()));
        tasks.spawn(async move { leading.run().await });
        Ok(Self { address, group, ending, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name and URL.
    pub fn member(&self) -> &Member {
        self.group.me()
    }

    /// Runs until `shutdown` is over, and then ends the server in good order.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let result = tokio::select! {
            () = shutdown => Ok(()),
            reason = self.group.failed() => Err(ServerError::Failed { name: self.member().name.clone(), reason }),
        };
        self.end().await;
        result
    }

    /// Ends the server in good order. When this returns, its port and its folder are free.
    pub async fn end(mut self) {
        self.ending.send_replace(true);
        // The first task to end by itself is the one that serves.
        let served = tokio::time::timeout(Self::FINISH, self.tasks.join_next()).await;
        if served.is_err() {
            tracing::debug!("some requests were not finished");
        }
        self.tasks.shutdown().await;
        self.group.shutdown().await;
    }
}

/// The group that a server is started in.
fn members(config: &ServerConfig, address: SocketAddr) -> Result<Members, StartError> {
    let mut names = BTreeSet::new();
    if let Some((name, _)) = config.peers.iter().find(|(name, _)| !names.insert(name)) {
        return Err(StartError::SameName(name.clone()));
    }
    let member = |(name, api): &(String, String)| {
        let api = api.trim_end_matches('/');
        let api = if api.contains("://") { api.to_owned() } else { format!("http://{api}") };
        Member { name: name.clone(), api }
    };
    if config.peers.is_empty() {
        return Ok(Members::new(vec![member(&(config.name.clone(), address.to_string()))]));
    }
    Ok(Members::new(config.peers.iter().map(member).collect()))
}
