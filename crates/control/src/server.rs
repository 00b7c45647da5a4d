use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use icefield_api::{Client, ClientError, Http, HttpOptions, JoinAnswer, JoinRequest, Keeper, Keyring, ServerMove};
use icefield_pki::Expect;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::begin::Begin;
use crate::cataloguer::Cataloguer;
use crate::clock::Clock;
use crate::http::{self, Admission, App, HttpTransport};
use crate::leading::Leading;
use crate::raft::{
    self, Disk, FolderDisk, FolderError, Founders, Group, GroupConfig, GroupError, Leader, Member, Start, Timings,
};
use crate::reconcile::Config;
use crate::security::{Founding, Prepared, Security, SecurityError, found, prepare, tell_mark, write_audit};
use crate::state::TrustStep;
use crate::vault::{self, Vault};

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Its name in the group.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// How it is secured.
    pub security: Security,
    /// How it gets into a group if its folder is empty.
    pub begin: Begin,
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
    /// It would be reachable from other machines without TLS.
    #[error("without TLS a server is for this machine alone, so {0} is refused; listen on 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// Nobody would know where to reach it.
    #[error("{0} is no address that others can reach this server by; say one with --advertise https://HOST:PORT")]
    NoAddress(SocketAddr),
    /// It has no identity.
    #[error(transparent)]
    Security(#[from] SecurityError),
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
    /// The others have removed it.
    #[error("server {0} was removed from the cluster and ends; its folder is of no use any more")]
    Removed(String),
}

/// A running server: it holds its part of the state, serves the API, and decides while it leads.
pub struct Server {
    address: SocketAddr,
    group: Arc<Group>,
    ending: watch::Sender<bool>,
    tasks: JoinSet<()>,
    admin_token: Option<PathBuf>,
}

impl Server {
    /// How long requests may take to be finished when the server ends.
    const FINISH: Duration = Duration::from_millis(500);

    /// Starts a server.
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        if config.security == Security::Plain && !config.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(config.listen));
        }
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        Self::start_on(listener, config).await
    }

    /// Starts a server with a listener that is there already; [`ServerConfig::listen`] does not count.
    pub async fn start_on(listener: TcpListener, config: ServerConfig) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        if config.security == Security::Plain && !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let api = own_url(&config, address)?;
        let clock = Clock::start();
        let prepared = match &config.security {
            Security::Plain => None,
            Security::Tls { token, .. } => {
                let ServerConfig { name, data, begin, .. } = &config;
                Some(prepare(data, name, begin, token.as_deref(), clock.now()).await?)
            }
        };
        let keyring = prepared.as_ref().map(|prepared| prepared.keyring.clone());
        let http = http(keyring.as_ref());
        let ServerConfig { name, data, timings, cluster, begin, .. } = config;
        let disk = FolderDisk::open(data.clone()).map_err(|source| FolderError::Io { path: data.clone(), source });
        let disk: Arc<dyn Disk> = Arc::new(disk.map_err(GroupError::from)?);
        let vault = Vault::of(&data, &name).map_err(|source| SecurityError::Io { path: data.clone(), source })?;
        let vault = Arc::new(vault);
        let start = start(begin, &name, &api, &*disk, &http).await?;
        let transport = Arc::new(HttpTransport::new(http.clone()));
        let group = GroupConfig { name, start, disk, transport, timings };
        let group = Arc::new(Group::start(group).await?);
        let leading = Arc::new(Leading::new(Arc::clone(&group), cluster, clock));
        let (ending, ends) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let cataloguer = Arc::new(Cataloguer::new(Arc::clone(&group), Arc::clone(&leading), cluster, clock));
        let catalogs = Arc::clone(&cataloguer);
        let (looking, leads) = (Arc::default(), Arc::clone(&leading));
        let app = App {
            group: Arc::clone(&group),
            leading: leads,
            cataloguer: catalogs,
            clock,
            timings,
            api,
            keyring: keyring.clone(),
            vault: Arc::clone(&vault),
            http: http.clone(),
            throttle: Default::default(),
            dates: Default::default(),
            looking,
            lineups: Default::default(),
            admission: Admission::new(),
            leader_heard: Default::default(),
            ends,
        };
        let app = Arc::new(app);
        tasks.spawn(http::serve(listener, keyring, http::router(Arc::clone(&app)), ending.subscribe()));
        tasks.spawn(async move { leading.run().await });
        tasks.spawn(async move { cataloguer.run().await });
        tasks.spawn(stay_known(Arc::clone(&group), app.api.clone(), http.clone()));
        tasks.spawn(vault::keep(Arc::clone(&group), vault, http.clone(), clock));
        tasks.spawn(write_audit(Arc::clone(&group), data.clone()));
        let mut admin_token = None;
        if let Some(Prepared { keyring, folder, step }) = prepared {
            let (told, mark) = watch::channel(None);
            tasks.spawn(tell_mark(Arc::clone(&group), told));
            let client = Client::over(http, [app.api.clone()]);
            tasks.spawn(Keeper { keyring, folder, client, mark }.run());
            if let Some(step) = step {
                admin_token = matches!(step, TrustStep::Found { .. }).then(|| Founding::admin_token(&data));
                tasks.spawn(found(Arc::clone(&group), clock, data, step));
            }
        }
        Ok(Self { address, group, ending, tasks, admin_token })
    }

    /// Where the token of the first admin is, if this start has made the cluster.
    pub fn admin_token(&self) -> Option<&Path> {
        self.admin_token.as_deref()
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
            () = self.group.removed() => Err(ServerError::Removed(self.name().to_owned())),
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

/// What the other servers are reached with.
fn http(keyring: Option<&Keyring>) -> Http {
    // A large message to one server must not hold up a heartbeat to it.
    let options = HttpOptions { connect: Duration::from_secs(1), apart: true, ..HttpOptions::default() };
    match keyring {
        Some(keyring) => keyring.http(options, Expect::Server),
        None => Http::new(options, None),
    }
}

/// The URL that this server is reached by: what it or the founders were told, or where it listens.
fn own_url(config: &ServerConfig, address: SocketAddr) -> Result<String, StartError> {
    let named = match &config.begin {
        Begin::Form(peers) => peers.iter().find(|(name, _)| *name == config.name),
        Begin::Join { .. } | Begin::Resume => None,
    };
    match (&config.security, named) {
        (Security::Tls { advertise: Some(advertise), .. }, _) => Ok(url(advertise, "https")),
        (Security::Tls { .. }, _) if address.ip().is_unspecified() => Err(StartError::NoAddress(address)),
        (Security::Tls { .. }, _) => Ok(format!("https://{address}")),
        (Security::Plain, Some((_, api))) => Ok(url(api, "http")),
        (Security::Plain, None) => Ok(format!("http://{address}")),
    }
}

fn url(api: &str, scheme: &str) -> String {
    let api = api.trim_end_matches('/');
    if api.contains("://") { api.to_owned() } else { format!("{scheme}://{api}") }
}

/// How the server gets into its group; asks that group, if it is to join one.
async fn start(begin: Begin, name: &str, api: &str, disk: &dyn Disk, http: &Http) -> Result<Start, StartError> {
    match begin {
        Begin::Form(peers) => founders(peers, name, api).map(Start::Form),
        Begin::Resume => Ok(Start::Resume),
        Begin::Join { .. } if raft::is_used(disk) => Ok(Start::Resume),
        Begin::Join { servers, replaces } => {
            let request = JoinRequest { name: name.to_owned(), api: api.to_owned(), replaces };
            let JoinAnswer { number, group, .. } = join(http, servers, &request).await?;
            Ok(Start::Join { number, group })
        }
    }
}

/// Asks to be taken in, again and again while the group cannot decide: it may be choosing a leader, or just taking
/// another server in.
async fn join(http: &Http, servers: Vec<String>, request: &JoinRequest) -> Result<JoinAnswer, StartError> {
    const PAUSE: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(30);
    let (client, until) = (Client::over(http.clone(), servers.clone()), Instant::now() + PATIENCE);
    loop {
        match client.join(request).await {
            Err(error) if error.is_passing() && Instant::now() < until => tokio::time::sleep(PAUSE).await,
            answer => return answer.map_err(|error| StartError::Join { servers, source: Box::new(error) }),
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
    Ok(Founders::new(peers.iter().map(|(name, api)| Member::new(name, url(api, "http"))).collect()))
}

/// Tells the group where this server is reached, once it has a leader, if that is written down differently.
async fn stay_known(group: Arc<Group>, api: String, http: Http) {
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
                let client = Client::over(http.clone(), [leader.api]);
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
