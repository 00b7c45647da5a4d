use std::time::Duration;

use icefield_api::Keyring;
use icefield_pki::Chain;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::Presented;

/// How long a client may take for the handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first byte of a TLS connection.
const HANDSHAKE: u8 = 22;

/// What whoever speaks plain HTTP is told.
const PLAIN: &str = r#"{"code":"invalid","message":"this server speaks TLS alone; write https:// in its URL"}"#;

/// A connection that is secured.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<TcpStream>,
    /// What the other end came with.
    pub(crate) presented: Presented,
    /// Whether HTTP/2 was agreed on.
    pub(crate) http2: bool,
}

/// Secures a connection; `None` if that does not come about, which is for the client to report.
pub(crate) async fn handshake(stream: TcpStream, keyring: &Keyring) -> Option<Secured> {
    match tokio::time::timeout(PATIENCE, secure(stream, keyring)).await {
        Ok(secured) => secured,
        Err(_) => {
            tracing::debug!("a handshake took too long");
            None
        }
    }
}

async fn secure(mut stream: TcpStream, keyring: &Keyring) -> Option<Secured> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE => {}
        Ok(1) => {
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PLAIN}",
                PLAIN.len()
            );
            // Whoever does not read it learns of it by the end of the connection.
            drop(stream.write_all(answer.as_bytes()).await);
            return None;
        }
        _ => return None,
    }
    // Anew for each connection: what it is made of may have been renewed.
    let acceptor = TlsAcceptor::from(keyring.server_config()?);
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a handshake failed");
            return None;
        }
    };
    let (_, session) = stream.get_ref();
    let http2 = session.alpn_protocol() == Some(b"h2");
    let presented = match session.peer_certificates() {
        None => Presented::Nothing,
        Some(certificates) => match Chain::of_peer(certificates) {
            Ok(chain) => Presented::from(&chain),
            Err(error) => {
                tracing::debug!(%error, "a certificate says nothing");
                return None;
            }
        },
    };
    Some(Secured { stream, presented, http2 })
}
