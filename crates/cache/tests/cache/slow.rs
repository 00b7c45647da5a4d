//! Clients that take nothing, and those that others wait for.

use std::sync::Arc;
use std::time::Duration;

use icefield_api::{Http, HttpOptions};
use icefield_cache::{Security, StoreDir, certificate_config, public_config};
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::serving::{MadeUp, Serving, cache, certificates, client, folder, noise};

/// A folder with a path that is larger than what lies between a server and a client, and a smaller one. No file of them has
/// been looked at, so each is sent by a thread.
fn filled() -> (TempDir, MadeUp, MadeUp) {
    let home = tempdir().unwrap();
    folder(home.path(), &StoreDir::default());
    let (large, small) = (MadeUp::new(1, &noise(1, 24 << 20), &[]), MadeUp::new(2, &noise(2, 2 << 20), &[]));
    large.write(home.path());
    small.write(home.path());
    (home, large, small)
}

#[tokio::test]
async fn a_client_of_http_2_that_is_gone_without_a_word_loses_its_connection() {
    let [authority, chain, key] = certificates();
    let security = Security::Certificate(certificate_config(&chain, &key).unwrap());
    let mut served = cache(None);
    served.limits.pause = Duration::from_millis(200);
    let serving = Serving::secured(served, security).await;
    let config = Arc::new(public_config(&authority).unwrap());
    let stream = TcpStream::connect(serving.url.strip_prefix("https://").unwrap()).await.unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let mut silent = TlsConnector::from(config).connect(name, stream).await.unwrap();
    assert_eq!(silent.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // It begins as HTTP/2 does, with settings that say nothing, and answers nothing from then on.
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut told = Vec::new();
    drop(timeout(Duration::from_secs(20), silent.read_to_end(&mut told)).await.unwrap());
    assert!(!told.is_empty(), "it was greeted");
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_taken_holds_no_thread() {
    let (home, large, small) = filled();
    let [authority, chain, key] = certificates();
    let security = Security::Certificate(certificate_config(&chain, &key).unwrap());
    let mut served = cache(Some(folder(home.path(), &StoreDir::default())));
    served.limits.pause = Duration::from_millis(300);
    served.limits.reading = 1;
    let serving = Serving::secured(served, security).await;
    // Each by a connection of its own.
    let get = async |path: &MadeUp| {
        let client = Http::new(HttpOptions::default(), Some(public_config(&authority).unwrap())).get();
        client.get(format!("{}/{}", serving.url, path.info.url)).send().await.unwrap()
    };
    // The connection is alive, and the stream is as long as it likes.
    let mut stalled = get(&large).await;
    assert_eq!(stalled.version(), reqwest::Version::HTTP_2);
    let answer = get(&small).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.unwrap() == small.file);
    // It was given up, and that is no whole file.
    let mut came = 0;
    while let Ok(Some(piece)) = stalled.chunk().await {
        came += piece.len();
    }
    assert!(came < large.file.len());
}

#[tokio::test]
async fn whoever_comes_while_all_threads_wait_for_clients_waits_for_a_turn() {
    let (home, large, small) = filled();
    let mut served = cache(Some(folder(home.path(), &StoreDir::default())));
    served.limits.reading = 1;
    let serving = Serving::start(served).await;
    let first = serving.get(&large.info.url).await;
    let url = format!("{}/{}", serving.url, small.info.url);
    let second = tokio::spawn(async move { client().get(url).send().await.unwrap().bytes().await.unwrap() });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap() == small.file);
}
