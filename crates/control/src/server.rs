use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use icefield_api::{Client, ClientError, JoinAnswer, JoinRequest, ServerMove};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::http::{self, App, HttpTransport};
use crate::leading::Leading;
use crate::raft::{
    self, Disk, FolderDisk, FolderError, Founders, Group, GroupConfig, GroupError, Leader, Member, Start, Timings,
};
use crate::reconcile::Config;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Its name in the group.
    pub name: String,
    /// Where it listens; an address of the loopback interface.
    pub listen: SocketAddr,
    /// How it gets into a group if its folder is empty.
    pub begin: Begin,
    /// Its folder; it must be no other server's.
    pub data: PathBuf,
    /// How fast the group is to notice and to do things.
    pub timings: Timings,
    /// What the cluster is set to.
    pub cluster: Config,
}

/// How a server gets into a group. One whose folder has its data is in one already and goes on there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// It forms a new group with these servers, itself among them: each one's name and URL. If there are none, it is a
    /// group by itself.
    Form(Vec<(String, String)>),
    /// It joins the group of these servers.
    Join {
        /// Their URLs.
        servers: Vec<String>,
        /// The server whose place it takes.
        replaces: Option<String>,
    },
    /// Its folder must not be empty.
    Resume,
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
    /// The group that it is to join did not take it in.
    #[error("the group of {} did not take this server in", servers.join(", "))]
    Join {
        /// The servers that were asked.
        servers: Vec<String>,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
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
        let http = reqwest::Client::builder()
            .connect_timeout(Self::CONNECT)
            .pool_idle_timeout(Self::IDLE)
            .no_proxy()
            .build()
            .map_err(StartError::Client)?;
        let api = own_url(&config, address);
        let ServerConfig { name, data, timings, cluster, begin, .. } = config;
        let disk = FolderDisk::open(data.clone()).map_err(|source| FolderError::Io { path: data, source });
        let disk: Arc<dyn Disk> = Arc::new(disk.map_err(GroupError::from)?);
        let start = start(begin, &name, &api, &*disk).await?;
        let transport = Arc::new(HttpTransport::new(http.clone()));
        let group = GroupConfig { name, start, disk, transport, timings };
        let group = Arc::new(Group::start(group).await?);
        let clock = Clock::start();
        let leading = Arc::new(Leading::new(Arc::clone(&group), cluster, clock));
        let (ending, ends) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let (looking, leads) = (Arc::default(), Arc::clone(&leading));
        let app = App {
            group: Arc::clone(&group),
            leading: leads,
            clock,
            timings,
            config: cluster,
            api,
            http,
            looking,
            ends,
        };
        let app = Arc::new(app);
        tasks.spawn(http::serve(listener, http::router(Arc::clone(&app)), ending.subscribe()));
        tasks.spawn(async move { leading.run().await });
        tasks.spawn(stay_known(Arc::clone(&group), app.api.clone()));
        Ok(Self { address, group, ending, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.group.name()
    }

    /// Runs until `shutdown` is over, and then ends the server in good order.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let result = tokio::select! {
            () = shutdown => Ok(()),
            reason = self.group.failed() => Err(ServerError::Failed { name: self.name().to_owned(), reason }),
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

/// The URL that this server is reached by: what the founders were told, or where it listens.
fn own_url(config: &ServerConfig, address: SocketAddr) -> String {
    let named = match &config.begin {
        Begin::Form(peers) => peers.iter().find(|(name, _)| *name == config.name),
        Begin::Join { .. } | Begin::Resume => None,
    };
    named.map_or_else(|| format!("http://{address}"), |(_, api)| url(api))
}

fn url(api: &str) -> String {
    let api = api.trim_end_matches('/');
    if api.contains("://") { api.to_owned() } else { format!("http://{api}") }
}

/// How the server gets into its group; asks that group, if it is to join one.
async fn start(begin: Begin, name: &str, api: &str, disk: &dyn Disk) -> Result<Start, StartError> {
    match begin {
        Begin::Form(peers) => founders(peers, name, api).map(Start::Form),
        Begin::Resume => Ok(Start::Resume),
        Begin::Join { .. } if raft::is_used(disk) => Ok(Start::Resume),
        Begin::Join { servers, replaces } => {
            let request = JoinRequest { name: name.to_owned(), api: api.to_owned(), replaces };
            let answer = Client::new(servers.clone()).join(&request).await;
            let refused = |error| StartError::Join { servers, source: Box::new(error) };
            let JoinAnswer { number, group, .. } = answer.map_err(refused)?;
            Ok(Start::Join { number, group })
        }
    }
}

/// The servers that form the group.
fn founders(peers: Vec<(String, String)>, name: &str, api: &str) -> Result<Founders, StartError> {
    if peers.is_empty() {
        return Ok(Founders::new(vec![Member::new(name, api)]));
    }
    let mut names = BTreeSet::new();
    if let Some((name, _)) = peers.iter().find(|(name, _)| !names.insert(name)) {
        return Err(StartError::SameName(name.clone()));
    }
    Ok(Founders::new(peers.iter().map(|(name, api)| Member::new(name, url(api))).collect()))
}

/// Tells the group where this server is reached, once it has a leader, if that is written down differently.
async fn stay_known(group: Arc<Group>, api: String) {
    /// The pause before it is told again.
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        let leader = match group.leader().wait_for(|leader| *leader != Leader::Nobody).await {
            Ok(leader) => leader.clone(),
            Err(_) => return,
        };
        let known = group.seats().into_iter().find(|seat| seat.member.name == group.name());
        let told = match (known, leader) {
            (Some(seat), _) if seat.member.api == api => return,
            (None, _) | (_, Leader::Nobody) => Ok(()),
            (_, Leader::Me(_)) => group.relocate(group.name(), &api).await.map_err(|error| error.to_string()),
            (_, Leader::Other(leader)) => {
                let client = Client::new([leader.api]);
                let told = client.move_server(group.name(), &ServerMove { api: api.clone() }).await;
                told.map(drop).map_err(|error| error.to_string())
            }
        };
        if let Err(error) = told {
            tracing::debug!(error, "the group does not know yet where this server is");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
