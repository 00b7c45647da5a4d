use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use icefield_api::Paced;
use icefield_pki::Identity;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::limits::{AHEAD, BUFFER, HANDSHAKE, HEAD, HEAD_BYTES, HEADERS, STREAMS};
use super::route::Service;
use super::{Cache, Security};

/// Serves connections until `end`, and those that are open until their requests are answered.
pub(super) async fn serve(listener: TcpListener, security: Security, cache: Arc<Cache>, end: impl Future<Output = ()>) {
    let (ending, ends) = watch::channel(false);
    let (security, service) = (Arc::new(security), Arc::new(Service::new(Arc::clone(&cache))));
    let free = Arc::new(Semaphore::new(cache.limits.connections));
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        if connections.is_empty()
            && cache.limits.forgetful
            && let Some(store) = &cache.store
        {
            store.forget();
        }
        // Whoever comes when all are taken waits in the system's queue.
        let permit = tokio::select! {
            permit = Arc::clone(&free).acquire_owned() => permit,
            () = &mut end => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = &mut end => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (security, service, ends) = (Arc::clone(&security), Arc::clone(&service), ends.clone());
                connections.spawn(async move {
                    connection(stream, &security, service, ends).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "no connection can be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    ending.send_replace(true);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, security: &Security, service: Arc<Service>, ends: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection may be slow");
    }
    let config = match security {
        Security::Plain => return exchange(stream, false, service, ends).await,
        Security::Certificate(config) => Some(Arc::clone(config)),
        // Anew for each connection: what it is made of may have been renewed.
        Security::Keyring(keyring) | Security::Members(keyring) => keyring.server_config(),
    };
    let Some(config) = config else { return };
    match tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            if matches!(security, Security::Members(_)) && !is_member(&stream) {
                return tracing::debug!("a client that is neither a node nor a server was sent away");
            }
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            exchange(stream, http2, service, ends).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
        Err(_) => tracing::debug!("a handshake took too long"),
    }
}

/// Whether the other end has shown that it is a node or a server of the cluster.
fn is_member(stream: &TlsStream<TcpStream>) -> bool {
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    shown.is_some_and(|shown| matches!(Identity::of(shown), Ok(Identity::Node(_) | Identity::Server(_))))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    service: Arc<Service>,
    mut ends: watch::Receiver<bool>,
) {
    let pause = service.limits().pause;
    let stream = TokioIo::new(Paced::new(stream, pause));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, std::convert::Infallible>(service.answer(request).await) }
    });
    // Both are the same but for their types.
    macro_rules! run {
        ($connection:expr) => {{
            let mut connection = std::pin::pin!($connection);
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
        builder.timer(TokioTimer::new()).max_header_list_size(HEAD_BYTES as u32);
        // One that is silent is asked whether it is still there.
        builder.keep_alive_interval(pause).keep_alive_timeout(pause);
        // There is room for what all of them may send before it is asked for, or those that wait for others, whose bodies
        // nobody reads yet, would keep those from being sent.
        builder
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(AHEAD)
            .initial_connection_window_size(STREAMS * AHEAD);
        run!(builder.serve_connection(stream, service))
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(HEADERS).max_buf_size(BUFFER);
        run!(builder.serve_connection(stream, service))
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn ended(ends: &mut watch::Receiver<bool>) {
    // If nobody is there to say that it ends, it does.
    drop(ends.wait_for(|ends| *ends).await);
}
