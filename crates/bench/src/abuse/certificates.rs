//! The same against a server with TLS: handshakes that are none, and certificates that count for nothing there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use icefield_api::{Client, Http, HttpOptions};
use icefield_pki::{
    Authority, Bundle, Credential, Expect, Identity, KeyPair, UserToken, client_config, joining_config,
};
use icefield_spec::Name;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::AT_ONCE;
use super::customer::{Fared, repeat};
use super::random::Random;
use crate::dev_cluster::binary;
use crate::server_group::{free_addresses, resident_kib};
use crate::{Common, Failure};

/// What a server with TLS did with it.
#[derive(Debug, Serialize)]
pub(super) struct Certificates {
    requests: usize,
    /// How many came to what, by what was wrong with them.
    outcomes: BTreeMap<String, usize>,
    /// Whether the server ended; goal: it does not.
    crashed: bool,
    memory_before_mib: f64,
    memory_after_mib: f64,
    /// How a real client fared meanwhile; goal: it never fails.
    client: Fared,
}

impl Certificates {
    pub(super) fn met(&self, more_mib: f64) -> bool {
        let flat = self.memory_after_mib - self.memory_before_mib <= more_mib;
        let strangers_kept_out =
            self.outcomes.keys().all(|outcome| !outcome.contains(": 2") && !outcome.contains(": 5"));
        !self.crashed && self.client.failed == 0 && flat && strangers_kept_out
    }
}

/// One server with TLS; it ends with this value.
struct Secured {
    server: Child,
    address: String,
    token: UserToken,
    _home: tempfile::TempDir,
}

impl Secured {
    async fn start(common: &Common) -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        let (data, address) = (home.path().join("s0"), free_addresses(1)?.remove(0));
        let mut command = Command::new(binary(common)?);
        command.args(["server", "--name", "s0", "--listen", &address, "--new-cluster", "--data"]).arg(&data);
        command.args(["--die-with-parent", &std::process::id().to_string()]);
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut secured = Self { server, address, token: token(&data).await?, _home: home };
        let began = Instant::now();
        while let Err(error) = secured.client().status(None, Duration::ZERO).await {
            if began.elapsed() > Duration::from_secs(30) || secured.ended() {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(secured)
    }

    /// Its first admin.
    fn client(&self) -> Client {
        let http = Http::new(HttpOptions::default(), Some(joining_config(self.token.authority())));
        Client::over(http, [format!("https://{}", self.address)]).bearing(&self.token.reveal())
    }

    fn ended(&mut self) -> bool {
        self.server.try_wait().is_ok_and(|ended| ended.is_some())
    }

    async fn settled(&self) -> Result<f64, Failure> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(resident_kib(self.server.id())? as f64 / 1024.0)
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        // There is nobody to tell, and it ends with this process anyway.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

async fn token(data: &Path) -> Result<UserToken, Failure> {
    let began = Instant::now();
    loop {
        match std::fs::read_to_string(data.join("admin-token")) {
            Ok(text) => return Ok(text.parse()?),
            Err(error) if began.elapsed() > Duration::from_secs(30) => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// What is wrong with a stranger.
#[derive(Debug, Clone)]
enum Stranger {
    /// It has a certificate of an authority that is not the cluster's, or one that has ended.
    Certificate(&'static str, Credential),
    /// It has a token that nobody made.
    Token,
    /// It sends these bytes in place of a handshake, and stays for a while.
    Bytes(&'static str, Vec<u8>),
}

/// Attacks a server so many times.
pub(super) async fn measure(common: &Common, requests: usize, random: &mut Random) -> Result<Certificates, Failure> {
    let mut secured = Secured::start(common).await?;
    let bundle = secured.client().trust().await?.bundle;
    let credentials = credentials()?;
    let over = Arc::new(AtomicBool::new(false));
    let client = secured.client();
    let customer = repeat(&over, move |_| {
        let client = client.clone();
        async move { client.status(None, Duration::ZERO).await.map(drop) }
    });
    let (mut outcomes, mut before) = (BTreeMap::new(), 0.0);
    for part in [requests / 10, requests - requests / 10] {
        let (free, mut strangers) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for _ in 0..part {
            let permit = Arc::clone(&free).acquire_owned().await?;
            let stranger = match random.below(6) {
                0 => Stranger::Bytes("junk", random.bytes(64)),
                1 => Stranger::Bytes("half a handshake", vec![22, 3, 1, 255, 255, 1, 0, 0]),
                2 => Stranger::Bytes("silence", Vec::new()),
                3 => Stranger::Token,
                _ => {
                    let (name, credential) = &credentials[random.below(credentials.len())];
                    Stranger::Certificate(name, credential.clone())
                }
            };
            let (address, bundle) = (secured.address.clone(), bundle.clone());
            let linger = Duration::from_millis(random.below(1_000) as u64);
            strangers.spawn(async move {
                let outcome = attack(&address, &bundle, stranger, linger).await;
                drop(permit);
                outcome
            });
        }
        while let Some(outcome) = strangers.join_next().await {
            *outcomes.entry(outcome?).or_default() += 1;
        }
        if before == 0.0 {
            before = secured.settled().await?;
        }
    }
    over.store(true, Ordering::Relaxed);
    let client = Fared::of(customer.await?);
    let after = secured.settled().await?;
    let (memory_before_mib, memory_after_mib) = (before, after);
    Ok(Certificates { requests, outcomes, crashed: secured.ended(), memory_before_mib, memory_after_mib, client })
}

async fn attack(address: &str, bundle: &Bundle, stranger: Stranger, linger: Duration) -> String {
    let url = format!("https://{address}/v1/status");
    let asked = |http: Http, token: Option<&'static str>| async move {
        let mut request = http.get().get(url).timeout(Duration::from_secs(10));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.map_or_else(|_| "ended".into(), |answer| answer.status().as_u16().to_string())
    };
    match stranger {
        Stranger::Certificate(name, credential) => {
            let config = client_config(bundle, Some(&credential), Expect::Server);
            format!("{name}: {}", asked(Http::new(HttpOptions::default(), Some(config)), None).await)
        }
        Stranger::Token => {
            let config = client_config(bundle, None, Expect::Server);
            let answer = asked(Http::new(HttpOptions::default(), Some(config)), Some("icefield-user.made.up")).await;
            format!("token: {answer}")
        }
        Stranger::Bytes(name, bytes) => {
            let Ok(mut stream) = TcpStream::connect(address).await else { return format!("{name}: not connected") };
            let written = stream.write_all(&bytes).await;
            tokio::time::sleep(linger).await;
            format!("{name}: {}", if written.is_ok() { "left" } else { "ended" })
        }
    }
}

/// Certificates that look as if they were the cluster's.
fn credentials() -> Result<Vec<(&'static str, Credential)>, Failure> {
    const MINUTE: u64 = 60_000;
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let name = Name::new("s0")?;
    let issue = |identity, at: u64| -> Result<Credential, Failure> {
        let authority = Authority::create(&name, at)?;
        let key = KeyPair::generate()?;
        let chain = authority.issue(&key.request()?, &identity, Duration::from_millis(MINUTE), at)?;
        Ok(Credential::new(chain, key)?)
    };
    Ok(vec![
        ("foreign server", issue(Identity::Server(name.clone()), now)?),
        ("foreign node", issue(Identity::Node(name.clone()), now)?),
        ("ended", issue(Identity::Server(name.clone()), now - 90 * MINUTE)?),
    ])
}
