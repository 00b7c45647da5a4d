use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use icefield_api::{Http, HttpOptions};
use icefield_cache::{
    Cache, CacheInfo, Fetcher, Folder, Limits, Peer, Peers, PublicKey, SecretKey, Security, Server, Source, Tokens,
};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::made_up::MadeUp;
use crate::Failure;
use crate::machine::Machine;

/// How many paths the closure has.
const PATHS: usize = 20;
/// How many nodes are in one zone.
const ZONE: usize = 50;
const GOAL_TIMES: f64 = 10.0;

/// What an origin sends when many nodes want the same closure at once.
#[derive(Debug, Serialize)]
pub(crate) struct FanOut {
    name: &'static str,
    measures: &'static str,
    nodes: usize,
    paths: usize,
    nar_bytes: u64,
    /// What one node must get.
    file_bytes: u64,
    origin_sent_bytes: u64,
    /// What the origin has sent, in sizes of the files.
    times: f64,
    goal_times: f64,
    seconds: f64,
    met: bool,
    machine: Machine,
}

/// Lets `nodes` nodes, each with a folder and a server of its own, get a closure of `mib` MiB at the same time.
pub(crate) async fn measure(nodes: usize, mib: usize, folder: &Path) -> Result<FanOut, Failure> {
    allow_many_files();
    let home = tempfile::tempdir_in(folder)?;
    let key = SecretKey::generate("bench-1")?;
    let origin_home = home.path().join("origin");
    let origin_folder = Arc::new(Folder::open(&origin_home, None)?);
    let (mut closure, mut file_bytes, mut nar_bytes) = (Vec::new(), 0, 0);
    for number in 0..PATHS {
        let mut path = MadeUp::new(u32::try_from(number)?, (mib << 20) / PATHS, 4, &closure)?;
        path.info.sign(&key);
        std::fs::write(origin_home.join(&path.info.url), &path.file)?;
        std::fs::write(origin_home.join(format!("{}.narinfo", path.info.path.hash())), path.info.to_string())?;
        file_bytes += path.file.len() as u64;
        nar_bytes += path.info.nar_size;
        closure.push(path.info.path);
    }
    let origin = Server::bind(([127, 0, 0, 1], 0).into(), cache(origin_folder, None)).await?;
    let (origin_url, sent) = counted(origin.address().to_string()).await?;
    tokio::spawn(origin.run_until(Security::Plain, std::future::pending()));
    let listeners: Vec<_> = (0..nodes).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let addresses: Vec<_> = listeners.iter().map(std::net::TcpListener::local_addr).collect::<Result<_, _>>()?;
    drop(listeners);
    let mut fetchers = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let peers = addresses.iter().enumerate().map(|(number, address)| Peer {
            name: format!("n{number}"),
            zone: zone(number),
            url: format!("http://{address}"),
        });
        let http = Http::new(HttpOptions::default(), None);
        let peers = Peers::new(format!("n{number}"), zone(number), peers, move |_| http.clone());
        let folder = Arc::new(Folder::open(home.path().join(format!("n{number}")), None)?);
        let trusted: Vec<PublicKey> = vec![key.public()];
        let fetcher = Fetcher::new(Arc::clone(&folder), Some(peers), vec![source(&origin_url)], trusted);
        let server = Server::bind(*address, cache(folder, Some(Arc::clone(&fetcher)))).await?;
        tokio::spawn(server.run_until(Security::Plain, std::future::pending()));
        fetchers.push(fetcher);
    }
    let began = Instant::now();
    let mut fetching = tokio::task::JoinSet::new();
    for fetcher in fetchers {
        let closure = closure.clone();
        fetching.spawn(async move {
            for path in closure {
                let got = fetcher.fetch(path.hash()).await.map_err(|error| error.to_string())?;
                got.ok_or_else(|| format!("{path} was not found"))?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(fetched) = fetching.join_next().await {
        fetched??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let origin_sent_bytes = sent.load(Ordering::SeqCst);
    let times = origin_sent_bytes as f64 / file_bytes as f64;
    Ok(FanOut {
        name: "fan-out",
        measures: "all that the origin sends until every node has the closure, verified and on its disk; the nodes' caches \
                   are parts of one process",
        nodes,
        paths: PATHS,
        nar_bytes,
        file_bytes,
        origin_sent_bytes,
        times,
        goal_times: GOAL_TIMES,
        seconds,
        met: times <= GOAL_TIMES,
        machine: Machine::this(),
    })
}

fn zone(number: usize) -> String {
    format!("z{}", number / ZONE)
}

fn source(url: &str) -> Source {
    Source::new(url, Http::new(HttpOptions::default(), None))
}

fn cache(folder: Arc<Folder>, fetcher: Option<Arc<Fetcher>>) -> Cache {
    let info = CacheInfo::default();
    let (keys, trusted, tokens, limits) = (Vec::new(), Vec::new(), Tokens::default(), Limits::default());
    Cache { info, folder: Some(folder), store: None, fetcher, closures: None, keys, trusted, tokens, limits }
}

/// An address that stands for another one, and what was sent from there.
async fn counted(to: String) -> Result<(String, Arc<AtomicU64>), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (to, counted) = (to.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(to).await else { return };
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                let mut piece = vec![0; 64 << 10];
                while let Ok(read @ 1..) = from_server.read(&mut piece).await {
                    counted.fetch_add(read as u64, Ordering::SeqCst);
                    if to_client.write_all(&piece[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok((url, sent))
}

/// Each node has some connections at both ends.
fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    // With fewer, it ends with an error that says so.
    let _ = setrlimit(Resource::Nofile, files);
}
