use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use icefield_dns::DnsServer;
use icefield_spec::Revision;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::activation::Activation;
use crate::alarm::Alarm;
use crate::cgroup::Groups;
use crate::discovery::Discovery;
use crate::driver::Drivers;
use crate::generation::Kept;
use crate::home::Home;
use crate::launch::Launcher;
use crate::shutdown::Shutdown;
use crate::systemd::Systemd;
use crate::work::{Alarms, Listeners, Work};
use crate::{AgentConfig, AgentError, DnsConfig};

/// How often, and how long apart, an agent tries to have its folder for itself.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A running agent. Dropping it ends it as if it were killed: its replicas go on.
#[derive(Debug)]
pub struct Agent {
    api: SocketAddr,
    shutdown: Option<oneshot::Sender<Shutdown>>,
    work: JoinHandle<()>,
    dns: Option<DnsServer>,
    /// Held as long as the agent runs.
    _lock: File,
}

impl Agent {
    /// Starts an agent. Replicas that run already are taken over before this returns.
    ///
    /// # Errors
    /// If the data folder cannot be used or another agent uses it, or the agent's API cannot listen.
    pub async fn start(mut config: AgentConfig) -> Result<Self, AgentError> {
        if config.shim_command.is_empty() {
            return Err(AgentError::NoShim);
        }
        let data = prepare(&config.data).map_err(|source| folder(&config.data, source))?;
        let home = Home::new(&data);
        let lock = lock(&home).await?;
        let (kept, complaint) = Kept::open(home.generation(), config.node.clone());
        if let Some(newest) = kept.newest().filter(|newest| newest.plan.node != config.node) {
            return Err(AgentError::OtherNode { folder: data, owner: newest.plan.node.clone(), node: config.node });
        }
        let listen = |source| AgentError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let api = listener.local_addr().map_err(listen)?;
        let (mut dns, mut discovery) = (None, None);
        if let Some(DnsConfig { listen, forward }) = config.dns.take() {
            let found = Discovery::open(&home, config.timings.clone());
            let server = DnsServer::start(listen, found.zone(), &forward, seed())?;
            config.base_env.insert("ICEFIELD_DNS".into(), server.address().to_string());
            tracing::info!(address = %server.address(), "DNS is answered");
            (dns, discovery) = (Some(server), Some(found));
        }
        let instance = format!("{}-{}", config.node, Revision::of(&data.to_string_lossy()).short());
        let systemd = match config.systemd.clone() {
            Some(systemd) => Systemd::open(systemd, config.nix.clone()).await.map(Some),
            None => Ok(None),
        };
        let has_systemd = matches!(systemd, Ok(Some(_)));
        let launcher = Launcher {
            home: home.clone(),
            drivers: Drivers::new(config.base_env.clone(), config.exec_dir.clone(), &config.nix, has_systemd),
            groups: Groups::detect(&instance),
            log: config.log,
            secrets_on_disk: config.secrets_on_disk,
            systemd,
        };
        let activation = match config.system.clone() {
            Some(system) => Some(Activation::open(system, &data).map_err(|source| folder(&data, source))?),
            None => None,
        };
        let has_nix = launcher.drivers.kinds().iter().any(|kind| kind == "nix");
        let cache = match config.exchange.as_ref().filter(|_| has_nix).map(|exchange| exchange.listen) {
            Some(address) => {
                let listening = TcpListener::bind(address).await;
                Some(listening.map_err(|source| AgentError::Listen { address, source })?)
            }
            None => None,
        };
        let mut work = Work::new(config, launcher, kept, complaint, discovery, activation);
        work.adopt().await.map_err(|source| folder(&data, source))?;
        let alarm = || Alarm::new().map_err(AgentError::Timer);
        let alarms = Alarms { work: alarm()?, heartbeats: alarm()? };
        let (shutdown, asked) = oneshot::channel();
        let work = tokio::spawn(work.run(Listeners { listener, api, cache }, alarms, asked));
        Ok(Self { api, shutdown: Some(shutdown), work, dns, _lock: lock })
    }

    /// Where its own API listens.
    pub const fn api(&self) -> SocketAddr {
        self.api
    }

    /// Where it answers DNS, if it does.
    pub fn dns(&self) -> Option<SocketAddr> {
        self.dns.as_ref().map(DnsServer::address)
    }

    /// Returns if its work ends though nobody asked for that: a fault of its own, after which only a new agent helps.
    pub async fn failed(&mut self) -> AgentError {
        let _ = (&mut self.work).await;
        AgentError::Failed
    }

    /// Ends it, and returns when it has ended.
    ///
    /// # Errors
    /// If it failed before.
    pub async fn shut_down(mut self, how: Shutdown) -> Result<(), AgentError> {
        if let Some(shutdown) = self.shutdown.take() {
            // One that cannot be told has ended already.
            let _ = shutdown.send(how);
        }
        (&mut self.work).await.map_err(|_| AgentError::Failed)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// Where the turn of equal records begins: somewhere else on each node and at each start.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn folder(data: &Path, source: io::Error) -> AgentError {
    AgentError::Folder { folder: data.into(), source }
}

/// Makes the data folder; its path is told to replicas, so it must be absolute and text.
fn prepare(data: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(data)?;
    let data = fs::canonicalize(data)?;
    match data.to_str() {
        Some(_) => Ok(data),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8")),
    }
}

async fn lock(home: &Home) -> Result<File, AgentError> {
    let open = File::options().create(true).truncate(false).write(true).open(home.lock());
    let file = open.map_err(|source| folder(home.root(), source))?;
    let mut tries = LOCK_TRIES;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that an agent was just starting when it was killed has the lock until it is another program.
            Err(TryLockError::WouldBlock) if tries > 0 => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::WouldBlock) => return Err(AgentError::Running { folder: home.root().into() }),
            Err(TryLockError::Error(source)) => return Err(folder(home.root(), source)),
        }
        tries -= 1;
    }
}
