//! Nodes that get a closure from each other, as agents do.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use icefield_api::{Http, HttpOptions};
use icefield_cache::{
    Cache, Closures, Compression, FetchOptions, Fetcher, Folder, Limits, PathHash, Peers, PublicKey, Source, StoreDir,
};
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fetching::between;
use crate::serving::{MadeUp, Serving, cache, client, folder, key, noise};

/// The closure that all of it is about.
const CLOSURE: &str = "00000000000000000000000000000009";

fn closure() -> PathHash {
    CLOSURE.parse().unwrap()
}

fn http() -> Http {
    Http::new(HttpOptions::default(), None)
}

/// What one node gets the closure by, from peers and upstreams.
fn fetcher(folder: Arc<Folder>, name: &str, peers: &[&str], upstreams: &[&str], trusted: &[PublicKey]) -> Arc<Fetcher> {
    let peers = Peers::given(name, peers.iter().map(|url| Source::peer(*url, http(), closure())));
    let upstreams = upstreams.iter().map(|url| Source::new(*url, http())).collect();
    let options = FetchOptions { unpack: true, at_once: 4 };
    Fetcher::with(options, folder, Some(peers), upstreams, trusted.to_vec())
}

/// What a node gets the closure by, once it does.
#[derive(Debug, Default)]
struct OnItsWay(Mutex<Option<Arc<Fetcher>>>);

impl Closures for OnItsWay {
    fn fetcher(&self, hash: PathHash) -> BoxFuture<'_, Option<Arc<Fetcher>>> {
        let found = self.0.lock().unwrap().clone();
        async move { found.filter(|_| hash == closure()) }.boxed()
    }
}

/// A node that serves what is on its way to it.
struct Node {
    fetcher: Arc<Fetcher>,
    serving: Serving,
    _home: TempDir,
}

impl Node {
    async fn start(name: &str, peers: &[&str], upstreams: &[&str], trusted: &[PublicKey]) -> Self {
        Self::limited(name, peers, upstreams, trusted, Limits::default()).await
    }

    async fn limited(name: &str, peers: &[&str], upstreams: &[&str], trusted: &[PublicKey], limits: Limits) -> Self {
        let home = tempdir().unwrap();
        let fetcher = fetcher(folder(home.path(), &StoreDir::default()), name, peers, upstreams, trusted);
        let closures = Arc::new(OnItsWay(Mutex::new(Some(Arc::clone(&fetcher)))));
        let serving = Serving::start(Cache { closures: Some(closures), limits, ..cache(None) }).await;
        Self { fetcher, serving, _home: home }
    }

    /// The NAR of a path, which it has got then.
    async fn get(&self, path: &MadeUp) -> Vec<u8> {
        let info = self.fetcher.fetch(path.hash()).await.unwrap().unwrap();
        assert_eq!((&info.compression, info.file_hash), (&Compression::None, Some(path.info.nar_hash)));
        std::fs::read(self._home.path().join("nar").join(info.file_name().unwrap())).unwrap()
    }
}

/// A cache of one path, and the path.
async fn origin(size: usize) -> (Serving, MadeUp, Vec<PublicKey>, TempDir) {
    let (secret, trusted) = key();
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, &noise(1, size), &[]).signed(&secret);
    path.write(home.path());
    (serving, path, trusted, home)
}

#[tokio::test]
async fn one_node_gets_it_from_elsewhere_and_the_others_from_each_other() {
    let (origin, path, trusted, _home) = origin(2 << 20).await;
    let (counted, sent) = between(&origin.url, None).await;
    let first = Node::start("n1", &[], &[&counted], &trusted).await;
    let second = Node::start("n2", &[&first.serving.url], &[&counted], &trusted).await;
    let third = Node::start("n3", &[&second.serving.url, &first.serving.url], &[&counted], &trusted).await;
    // The last one asks first: those above it begin because of that.
    let (three, two, one) = tokio::join!(third.get(&path), second.get(&path), first.get(&path));
    assert_eq!(icefield_cache::Hash::of(&three), path.info.nar_hash);
    assert!(one == two && two == three);
    assert!(sent.load(Ordering::SeqCst) < path.file.len() as u64 * 3 / 2, "it was got from elsewhere once");
    drop(origin);
    let late = Node::start("n4", &[&third.serving.url], &[&counted], &trusted).await;
    assert!(late.get(&path).await == three, "nobody else is needed any more");

    // Who does not say for what, or for something else, gets nothing of it.
    assert_eq!(first.serving.status(&path.narinfo_name()).await, 404);
    let other = client().get(format!("{}/{}", first.serving.url, path.narinfo_name()));
    let other = other.header("icefield-closure", "00000000000000000000000000000008").send().await.unwrap();
    assert_eq!(other.status(), 404);
}

/// A node that answers each request with what `answer` makes of its first line; nothing, and the connection stays open.
pub(crate) async fn pretender(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                let read = stream.read(&mut asked).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&asked[..read]).lines().next().unwrap_or_default().to_owned();
                match answer(&line) {
                    Some(body) => {
                        let head =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                        drop(stream.write_all(head.as_bytes()).await);
                        drop(stream.write_all(&body).await);
                        drop(stream.shutdown().await);
                    }
                    None => std::future::pending().await,
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn one_that_lies_is_passed_over_and_told_of() {
    let (origin, path, trusted, _home) = origin(300_000).await;
    let (narinfo, mut file) = (path.info.to_string(), path.file.clone());
    let middle = file.len() / 2;
    file[middle] ^= 1;
    let corrupt = pretender(move |line| {
        Some(if line.contains(".narinfo") { narinfo.clone().into_bytes() } else { file.clone() })
    });
    let mut unsigned = path.clone();
    unsigned.info.signatures.clear();
    let unsigned = pretender(move |_| Some(unsigned.info.to_string().into_bytes())).await;
    let node = Node::start("n1", &[&unsigned, &corrupt.await], &[&origin.url], &trusted).await;
    assert_eq!(icefield_cache::Hash::of(&node.get(&path).await), path.info.nar_hash);
    let complaints = node.fetcher.complaints();
    let [first, second] = &complaints[..] else { panic!("{complaints:?}") };
    assert!(first.contains(&unsigned) && first.contains("no key that is trusted here"), "{first}");
    assert!(second.contains(path.info.path.as_str()), "{second}");
    assert!(node.fetcher.complaints().is_empty(), "told once");
}

#[tokio::test]
async fn one_that_hangs_is_passed_over() {
    let (origin, path, trusted, _home) = origin(300_000).await;
    let silent = pretender(|_| None).await;
    let narinfo = path.info.to_string();
    let half = pretender(move |line| line.contains(".narinfo").then(|| narinfo.clone().into_bytes())).await;
    let node = Node::start("n1", &[&silent, &half], &[&origin.url], &trusted).await;
    let began = Instant::now();
    assert_eq!(icefield_cache::Hash::of(&node.get(&path).await), path.info.nar_hash);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    // Each is waited for once.
    let other = MadeUp::new(2, b"x", &[]);
    let began = Instant::now();
    assert!(node.fetcher.fetch(other.hash()).await.unwrap().is_none());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_has_too_much_to_do_is_asked_again_and_nobody_else_is() {
    let (origin, path, trusted, _home) = origin(8 << 20).await;
    let limits = Limits { sending: 1, ..Limits::default() };
    let first = Node::limited("n1", &[], &[&origin.url], &trusted, limits).await;
    first.get(&path).await;
    // Someone who takes his time.
    let url = format!("{}/nar/{}.nar?hash={}", first.serving.url, path.info.nar_hash.base32(), path.hash());
    let slow = client().get(&url).header("icefield-closure", CLOSURE).send().await.unwrap();
    assert_eq!(slow.status(), 200);
    let busy = client().get(&url).header("icefield-closure", CLOSURE).send().await.unwrap();
    assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let (counted, sent) = between(&origin.url, None).await;
    let second = Node::start("n2", &[&first.serving.url], &[&counted], &trusted).await;
    let fetching = tokio::spawn(async move { second.get(&path).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!fetching.is_finished());
    drop(slow);
    fetching.await.unwrap();
    assert_eq!(sent.load(Ordering::SeqCst), 0, "it did not go elsewhere");
}
