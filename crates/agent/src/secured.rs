use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use icefield_api::Keyring;
use icefield_pki::Identity;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Takes connections over TLS, from servers of the cluster alone.
///
/// Handshakes are made beside each other: one that is slow holds up no other.
pub(crate) struct Secured {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    /// Ends with this value.
    _accepting: JoinSet<()>,
}

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// How many handshakes may be under way.
const MOST: usize = 64;

impl Secured {
    /// Begins to take connections; what is shown in handshakes is what `keyring` holds at the time.
    pub(crate) fn new(listener: TcpListener, keyring: Keyring) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, keyring, sender));
        Ok(Self { address, ready, _accepting: accepting })
    }
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The other end lives as long as this one.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(listener: TcpListener, keyring: Keyring, ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if handshakes.len() < MOST => match accepted {
                Ok((stream, from)) => {
                    let (keyring, ready) = (keyring.clone(), ready.clone());
                    handshakes.spawn(async move {
                        if let Ok(Some(stream)) = tokio::time::timeout(PATIENCE, handshake(stream, &keyring)).await {
                            drop(ready.send((stream, from)).await);
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection can be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = handshakes.join_next(), if !handshakes.is_empty() => {}
        }
    }
}

/// Secures a connection; `None` if the other end is no server of the cluster.
async fn handshake(stream: TcpStream, keyring: &Keyring) -> Option<TlsStream<TcpStream>> {
    let mut config = (*keyring.server_config()?).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TlsAcceptor::from(std::sync::Arc::new(config)).accept(stream).await.ok()?;
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    matches!(Identity::of(certificate), Ok(Identity::Server(_))).then_some(stream)
}
