use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use icefield_api::{Http, HttpOptions};
use icefield_cache::{
    Compression, FetchError, FetchOptions, Fetcher, Folder, Peer, Peers, PublicKey, Source, StoreDir,
};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::exchanging::pretender;
use crate::serving::{MadeUp, Serving, client, fetching, folder, key, noise};

fn source(url: &str) -> Source {
    Source::new(url, Http::new(HttpOptions::default(), None))
}

fn fetcher(home: &Path, upstreams: &[&str], trusted: &[PublicKey]) -> (Arc<Folder>, Arc<Fetcher>) {
    let folder = folder(home, &StoreDir::default());
    let upstreams = upstreams.iter().map(|url| source(url)).collect();
    (Arc::clone(&folder), Fetcher::new(folder, None, upstreams, trusted.to_vec()))
}

/// Stands between a cache and its clients: counts what the cache sends, and cuts it off after so many bytes, once.
pub(crate) async fn between(url: &str, cut_after: Option<u64>) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let (address, sent) = (url.strip_prefix("http://").unwrap().to_owned(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&sent);
    tokio::spawn(async move {
        let left = Arc::new(AtomicU64::new(cut_after.unwrap_or(u64::MAX)));
        while let Ok((client, _)) = listener.accept().await {
            let (address, counted, left) = (address.clone(), Arc::clone(&counted), Arc::clone(&left));
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(address).await else { return };
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                let mut piece = vec![0; 8192];
                while let Ok(read) = from_server.read(&mut piece).await {
                    if read == 0 || left.load(Ordering::SeqCst) < read as u64 {
                        left.store(u64::MAX, Ordering::SeqCst);
                        return;
                    }
                    if left.load(Ordering::SeqCst) != u64::MAX {
                        left.fetch_sub(read as u64, Ordering::SeqCst);
                    }
                    counted.fetch_add(read as u64, Ordering::SeqCst);
                    if to_client.write_all(&piece[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (own, sent)
}

#[tokio::test]
async fn what_others_have_comes_through_and_stays() {
    let (origin_home, home) = (tempdir().unwrap(), tempdir().unwrap());
    let (secret, trusted) = key();
    let origin = Serving::folder(origin_home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, &noise(1, 2 << 20), &[]).signed(&secret);
    path.write(origin_home.path());
    let (folder, fetcher) = fetcher(home.path(), &[&origin.url], &trusted);
    let serving = Serving::start(fetching(Arc::clone(&folder), fetcher)).await;
    let info = serving.narinfo(path.hash()).await.unwrap();
    assert_eq!(info.url, format!("{}?hash={}", path.info.url, path.hash()));
    assert!(info.is_signed_by(&trusted));
    assert_eq!(serving.body(&info.url).await.unwrap(), path.file);
    drop(origin);
    assert_eq!(serving.narinfo(path.hash()).await.unwrap(), path.info);
    assert_eq!(serving.body(&path.info.url).await.unwrap(), path.file);
    assert!(folder.verify(&trusted, false).unwrap().bad.is_empty());
    let missing = MadeUp::new(2, b"", &[]);
    assert_eq!(serving.status(&missing.narinfo_name()).await, 502, "nobody can say whether it is there");
}

#[tokio::test]
async fn many_who_ask_at_once_are_one_request() {
    let (origin_home, home) = (tempdir().unwrap(), tempdir().unwrap());
    let (secret, trusted) = key();
    let origin = Serving::folder(origin_home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, &noise(1, 4 << 20), &[]).signed(&secret);
    path.write(origin_home.path());
    let (url, sent) = between(&origin.url, None).await;
    let (folder, fetcher) = fetcher(home.path(), &[&url], &trusted);
    let serving = Arc::new(Serving::start(fetching(folder, fetcher)).await);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let (serving, path) = (Arc::clone(&serving), path.clone());
            tokio::spawn(async move {
                let info = serving.narinfo(path.hash()).await.unwrap();
                assert!(serving.body(&info.url).await.unwrap() == path.file);
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < path.file.len() as u64 * 11 / 10, "{sent}");
}

#[tokio::test]
async fn a_source_that_lies_or_ends_early_is_replaced_by_the_next() {
    let (secret, trusted) = key();
    let path = MadeUp::new(1, &noise(1, 3 << 20), &[]).signed(&secret);
    let good_home = tempdir().unwrap();
    let good = Serving::folder(good_home.path(), &StoreDir::default()).await;
    path.write(good_home.path());

    // What it has is damaged: it ends its answer early.
    let bad_home = tempdir().unwrap();
    let bad = Serving::folder(bad_home.path(), &StoreDir::default()).await;
    path.write(bad_home.path());
    let mut damaged = path.file.clone();
    damaged[1_000_000] ^= 1;
    std::fs::write(bad_home.path().join(&path.info.url), damaged).unwrap();

    // Signed by nobody that is known.
    let forged_home = tempdir().unwrap();
    let forged = Serving::folder(forged_home.path(), &StoreDir::default()).await;
    MadeUp::new(1, b"forged", &[]).signed(&key().0).write(forged_home.path());

    let (cut, _) = between(&good.url, Some(1_500_000)).await;
    for sources in [vec![&bad.url, &good.url], vec![&forged.url, &good.url], vec![&cut], vec![&bad.url, &cut]] {
        let home = tempdir().unwrap();
        let urls: Vec<&str> = sources.iter().map(|url| url.as_str()).collect();
        let (folder, fetcher) = fetcher(home.path(), &urls, &trusted);
        let info = fetcher.fetch(path.hash()).await.unwrap().unwrap();
        assert_eq!(info.nar_hash, path.info.nar_hash, "{urls:?}");
        assert!(folder.verify(&trusted, false).unwrap().bad.is_empty());
        assert_eq!(std::fs::read(home.path().join(&info.url)).unwrap(), path.file);
    }
    for sources in [vec![&bad.url], vec![&forged.url]] {
        let home = tempdir().unwrap();
        let urls: Vec<&str> = sources.iter().map(|url| url.as_str()).collect();
        let (folder, fetcher) = fetcher(home.path(), &urls, &trusted);
        fetcher.fetch(path.hash()).await.unwrap_err();
        let serving = Serving::start(fetching(folder, fetcher)).await;
        let url = format!("{}?hash={}", path.info.url, path.hash());
        let whole = serving.body(&url).await.is_ok_and(|body| body.len() == path.file.len());
        assert!(!whole, "{urls:?}");
        assert!(!home.path().join(path.narinfo_name()).exists());
    }
}

#[tokio::test]
async fn a_source_cannot_say_afterwards_that_a_path_is_larger() {
    let (secret, trusted) = key();
    let path = MadeUp::new(1, &noise(1, 1000), &[]).signed(&secret);
    let mut larger = path.info.clone();
    larger.nar_size = 1 << 40;
    for unpack in [false, true] {
        let (asked, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (said, then, counted) = (path.info.to_string(), larger.to_string(), Arc::clone(&sent));
        let liar = pretender(move |line| {
            if !line.contains(".narinfo") {
                counted.fetch_add(1, Ordering::SeqCst);
                return Some(vec![0; 1 << 20]);
            }
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            Some(if first { said.clone() } else { then.clone() }.into_bytes())
        });
        let (home, upstreams) = (tempdir().unwrap(), vec![source(&liar.await)]);
        let options = FetchOptions { unpack, ..FetchOptions::default() };
        let folder = folder(home.path(), &StoreDir::default());
        Fetcher::with(options, folder, None, upstreams, trusted.clone()).fetch(path.hash()).await.unwrap_err();
        assert_eq!(sent.load(Ordering::SeqCst), 0, "nothing is got from there");
    }
}

#[tokio::test]
async fn a_source_that_has_it_in_a_form_that_is_not_read_is_passed_over() {
    let (secret, trusted) = key();
    let path = MadeUp::new(1, &noise(1, 1000), &[]).signed(&secret);
    let mut other = path.info.clone();
    other.compression = Compression::Other("bzip2".into());
    other.url = other.url.replace(".zst", ".bz2");
    let strange = pretender(move |_| Some(other.to_string().into_bytes())).await;
    let good_home = tempdir().unwrap();
    let good = Serving::folder(good_home.path(), &StoreDir::default()).await;
    path.write(good_home.path());
    for unpack in [false, true] {
        let home = tempdir().unwrap();
        let get = async |urls: &[&str]| {
            let upstreams = urls.iter().map(|url| source(url)).collect();
            let options = FetchOptions { unpack, ..FetchOptions::default() };
            let folder = folder(home.path(), &StoreDir::default());
            let fetcher = Fetcher::with(options, folder, None, upstreams, trusted.clone());
            let info = fetcher.fetch(path.hash()).await.unwrap();
            assert!(fetcher.complaints().is_empty(), "that is no fault");
            info
        };
        assert!(get(&[&strange]).await.is_none());
        assert_eq!(get(&[&strange, &good.url]).await.unwrap().nar_hash, path.info.nar_hash);
    }
}

#[tokio::test]
async fn that_it_cannot_be_kept_here_is_no_source_s_fault() {
    let (origin_home, home) = (tempdir().unwrap(), tempdir().unwrap());
    let (secret, trusted) = key();
    let origin = Serving::folder(origin_home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, &noise(1, 1000), &[]).signed(&secret);
    path.write(origin_home.path());
    let (folder, fetcher) = fetcher(home.path(), &[&origin.url], &trusted);
    let nars = home.path().join("nar");
    std::fs::remove_dir(&nars).unwrap();
    std::fs::write(&nars, "in its way").unwrap();
    let error = fetcher.fetch(path.hash()).await.unwrap_err();
    assert!(matches!(error, FetchError::Here { .. }), "{error}");
    assert!(fetcher.complaints().is_empty());
    std::fs::remove_file(&nars).unwrap();
    std::fs::create_dir(&nars).unwrap();
    assert!(fetcher.fetch(path.hash()).await.unwrap().is_some());
    assert!(folder.verify(&trusted, false).unwrap().bad.is_empty());
}

#[tokio::test]
async fn nodes_get_it_from_each_other() {
    const NODES: usize = 16;
    let (secret, trusted) = key();
    let origin_home = tempdir().unwrap();
    let origin = Serving::folder(origin_home.path(), &StoreDir::default()).await;
    let paths: Vec<MadeUp> = (1..=4).map(|n| MadeUp::new(n, &noise(n.into(), 500_000), &[]).signed(&secret)).collect();
    for path in &paths {
        path.write(origin_home.path());
    }
    let (url, sent) = between(&origin.url, None).await;
    // Their addresses are known before any of them serves.
    let listeners: Vec<std::net::SocketAddr> =
        (0..NODES).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()).collect();
    let mut nodes = Vec::new();
    for (number, address) in listeners.iter().enumerate() {
        let home = tempdir().unwrap();
        let peers = listeners.iter().enumerate().map(|(n, address)| Peer {
            name: format!("n{n}"),
            zone: format!("z{}", n % 2),
            url: format!("http://{address}"),
        });
        let peers = Peers::new(format!("n{number}"), format!("z{}", number % 2), peers, |_| {
            Http::new(HttpOptions::default(), None)
        });
        let folder = folder(home.path(), &StoreDir::default());
        let fetcher = Fetcher::new(Arc::clone(&folder), Some(peers), vec![source(&url)], trusted.clone());
        // Two are not there: those below them go to the next one above.
        if number >= 2 {
            let server = icefield_cache::Server::bind(*address, fetching(folder, Arc::clone(&fetcher))).await.unwrap();
            tokio::spawn(server.run_until(icefield_cache::Security::Plain, std::future::pending()));
        }
        nodes.push((home, fetcher));
    }
    let fetches = nodes[2..].iter().map(|(home, fetcher)| {
        let paths = &paths;
        async move {
            for path in paths {
                let info = fetcher.fetch(path.hash()).await.unwrap().unwrap();
                assert!(std::fs::read(home.path().join(&info.url)).unwrap() == path.file);
            }
        }
    });
    futures_util::future::join_all(fetches).await;
    let whole: u64 = paths.iter().map(|path| path.file.len() as u64).sum();
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent <= whole * 4, "{sent} of {whole}");
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
}
