use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::Way;
use crate::resolver::Resolver;

/// How many connections are open at once; others wait.
const CONNECTIONS: usize = 64;

/// How long a client may take to put its next question, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers over connections.
pub(crate) async fn serve(listener: TcpListener, resolver: Arc<Resolver>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let resolver = Arc::clone(&resolver);
                tokio::spawn(async move {
                    let _place = place;
                    if let Err(error) = connection(stream, &resolver).await {
                        tracing::trace!(%error, "a connection has ended");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(mut stream: TcpStream, resolver: &Resolver) -> io::Result<()> {
    let mut out = Vec::new();
    loop {
        let query = timeout(PATIENCE, question(&mut stream)).await??;
        if !resolver.answer(&query, Way::Tcp, &mut out).await {
            return Ok(());
        }
        let length = u16::try_from(out.len()).map_err(io::Error::other)?;
        let message = [&length.to_be_bytes()[..], &out].concat();
        timeout(PATIENCE, stream.write_all(&message)).await??;
    }
}

async fn question(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut query = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut query).await?;
    Ok(query)
}
