use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use icefield_api::{Keyring, Paced};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::handshake::{Secured, handshake};
use super::limits::{ANSWER_PAUSE, CONNECTIONS, FILES_KEPT, HEAD, HEAD_BYTES, HEADERS, RETRY_AFTER};
use crate::access::{Peer, Presented};

/// How many requests one connection may have under way.
const STREAMS: u32 = 256;
/// How long a connection may be silent before it is asked whether it is still there, and how long that may take.
const SILENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// Serves connections until `ends` is true and those that are open have been answered: over TLS with what is in `keyring`,
/// plain ones without. Each connection is a task of its own, and all end with this future.
pub(crate) async fn serve(
    listener: TcpListener,
    keyring: Option<Keyring>,
    router: Router,
    mut ends: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let most = most_connections();
    let free = Arc::new(Semaphore::new(most));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => match Arc::clone(&free).try_acquire_owned() {
                    Ok(permit) => {
                        let (keyring, router, ends) = (keyring.clone(), router.clone(), ends.clone());
                        connections.spawn(async move {
                            connection(stream, from.ip().to_string(), keyring, router, ends).await;
                            drop(permit);
                        });
                    }
                    Err(_) if keyring.is_some() => drop(stream),
                    Err(_) => refuse(stream, most),
                },
                Err(error) => pause_after(&error).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = ended(&mut ends) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    from: String,
    keyring: Option<Keyring>,
    router: Router,
    mut ends: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection may be slow");
    }
    match keyring {
        None => Box::pin(exchange(stream, Peer { from, presented: Presented::Plain }, false, router, ends)).await,
        Some(keyring) => {
            let secured = tokio::select! {
                secured = handshake(stream, &keyring) => secured,
                () = ended(&mut ends) => None,
            };
            let Some(Secured { stream, presented, http2 }) = secured else { return };
            Box::pin(exchange(stream, Peer { from, presented }, http2, router, ends)).await;
        }
    }
}

/// Answers the requests of a connection. What each kind of connection needs is in a box, so that none holds room for what
/// it is not: there are thousands of them.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    http2: bool,
    router: Router,
    mut ends: watch::Receiver<bool>,
) {
    let (peer, router) = (Arc::new(peer), TowerToHyperService::new(router));
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        router.call(request)
    });
    let stream = TokioIo::new(Paced::new(stream, ANSWER_PAUSE));
    // Both are the same but for their types.
    macro_rules! run {
        ($connection:expr) => {{
            let mut connection = Box::pin($connection);
            tokio::select! {
                served = connection.as_mut() => served,
                () = ended(&mut ends) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }};
    }
    let served = if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_BYTES as u32)
            .keep_alive_interval(SILENCE.0)
            .keep_alive_timeout(SILENCE.1);
        run!(builder.serve_connection(stream, service))
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(HEADERS).max_buf_size(HEAD_BYTES);
        run!(builder.serve_connection(stream, service))
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// How many connections may be open at once.
fn most_connections() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    CONNECTIONS.min(files.saturating_sub(FILES_KEPT).max(files / 2))
}

/// Says that there are too many connections, without waiting for whoever is there.
fn refuse(stream: TcpStream, most: usize) {
    let body = format!(
        r#"{{"code":"overloaded","message":"this server has {most} connections open already; try again in a moment"}}"#
    );
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {RETRY_AFTER}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // It fits into what the system buffers; whoever does not read it learns of it by the end of the connection.
    if let Err(error) = stream.into_std().and_then(|mut stream| stream.write_all(answer.as_bytes())) {
        tracing::debug!(%error, "a connection was refused without a word");
    }
}

async fn ended(ends: &mut watch::Receiver<bool>) {
    // If nobody is there to say that it ends, it does.
    drop(ends.wait_for(|ends| *ends).await);
}

/// When there are too many open files, accepting at once again would fail at once again.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!(%error, "no connection can be accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
