use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use icefield_api::Client;
use tempfile::TempDir;

use crate::dev_cluster::binary;
use crate::processes::Processes;
use crate::{Common, Failure};

/// Three servers on loopback, each a process, as `icefield dev` starts them; they end with this value.
pub(crate) struct ServerGroup {
    servers: Processes,
    /// Where each listens: `127.0.0.1:PORT`.
    pub(crate) addresses: Vec<String>,
    /// A client of all of them.
    pub(crate) client: Client,
    _home: TempDir,
}

impl ServerGroup {
    /// Starts them and waits until one leads.
    pub(crate) async fn start(common: &Common) -> Result<Self, Failure> {
        let binary = binary(common)?;
        let home = tempfile::tempdir()?;
        let addresses = free_addresses(3)?;
        let peers: Vec<String> =
            addresses.iter().enumerate().map(|(at, address)| format!("--peer=s{at}=http://{address}")).collect();
        let client = Client::new(addresses.iter().map(|address| format!("http://{address}")));
        let mut group = Self { servers: Processes::default(), addresses, client, _home: home };
        for at in 0..group.addresses.len() {
            let data = group._home.path().join(format!("s{at}"));
            group.servers.push(server(&binary, at, &group.addresses[at], &peers, &data)?);
        }
        let began = Instant::now();
        loop {
            match group.client.status(None, Duration::ZERO).await {
                Ok(status) if status.leader.is_some() => return Ok(group),
                Err(error) if began.elapsed() > Duration::from_secs(30) => return Err(error.into()),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Where the one that leads listens.
    pub(crate) async fn leader(&self) -> Result<String, Failure> {
        let status = self.client.status(None, Duration::ZERO).await?;
        let leads = |server: &&icefield_api::ServerStatus| server.leader;
        let leader = status.servers.iter().find(leads).ok_or("no server leads")?;
        Ok(leader.api.trim_start_matches("http://").to_owned())
    }

    /// How many of them have ended.
    pub(crate) fn ended(&mut self) -> usize {
        self.servers.iter_mut().filter_map(|server| server.try_wait().ok().flatten()).count()
    }

    /// Their processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Child::id).collect()
    }

    /// The memory that each of them takes, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<Vec<u64>, Failure> {
        self.servers.iter().map(|server| resident_kib(server.id())).collect()
    }
}

fn server(binary: &Path, at: usize, address: &str, peers: &[String], data: &Path) -> Result<Child, Failure> {
    let mut command = Command::new(binary);
    command
        .args(["server", "--plain", "--name", &format!("s{at}"), "--listen", address])
        .args(peers)
        .arg("--data")
        .arg(data);
    command.args(["--die-with-parent", &std::process::id().to_string()]);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// Addresses that nobody listens on; all are taken before any is given back, so that they differ.
pub(crate) fn free_addresses(count: usize) -> Result<Vec<String>, Failure> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect()
}

/// The memory that a process takes, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    number.ok_or_else(|| format!("/proc/{pid}/status does not say what memory it takes").into())
}
