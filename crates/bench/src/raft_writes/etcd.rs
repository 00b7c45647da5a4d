use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;
use crate::processes::Processes;
use crate::server_group::free_addresses;

/// Three members of etcd on loopback; they end with this value.
pub(super) struct Group {
    members: Processes,
    clients: Vec<String>,
    _home: TempDir,
}

impl Group {
    pub(super) async fn start() -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        let (clients, peers) = (free_addresses(3)?, free_addresses(3)?);
        let cluster: Vec<String> = peers.iter().enumerate().map(|(at, peer)| format!("m{at}=http://{peer}")).collect();
        let mut group = Self { members: Processes::default(), clients, _home: home };
        for (at, peer) in peers.iter().enumerate() {
            let member = member(at, &group.clients[at], peer, &cluster.join(","), group._home.path())?;
            group.members.push(member);
        }
        Ok(group)
    }

    /// Where the member that leads takes clients, once one does.
    pub(super) async fn leader(&self) -> Result<String, Failure> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            for client in &self.clients {
                let Ok(status) = status(client).await else { continue };
                let leader = status.get("leader").filter(|leader| *leader != "0");
                if leader.is_some() && leader == status.pointer("/header/member_id") {
                    return Ok(client.clone());
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("no member of etcd leads".into())
    }
}

/// Which version it is.
pub(super) fn version() -> Result<String, Failure> {
    let output = Command::new("etcd").arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().replace("etcd Version: ", ""))
}

fn member(at: usize, client: &str, peer: &str, cluster: &str, home: &Path) -> Result<Child, Failure> {
    let mut command = Command::new("etcd");
    command.args(["--name", &format!("m{at}"), "--logger", "zap", "--log-level", "error"]);
    command.arg("--data-dir").arg(home.join(format!("m{at}")));
    for (option, address) in [
        ("--listen-client-urls", client),
        ("--advertise-client-urls", client),
        ("--listen-peer-urls", peer),
        ("--initial-advertise-peer-urls", peer),
    ] {
        command.args([option, &format!("http://{address}")]);
    }
    command.args(["--initial-cluster", cluster, "--initial-cluster-state", "new"]);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    spawned.map_err(|error| format!("etcd cannot be started ({error}); Debian has it as etcd-server").into())
}

/// What a member says of itself, by etcd's JSON gateway.
async fn status(address: &str) -> Result<Value, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST /v3/maintenance/status HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.find('{').ok_or("etcd gave no JSON")?;
    let end = answer.rfind('}').ok_or("etcd gave no JSON")?;
    Ok(serde_json::from_str(&answer[body..=end])?)
}
