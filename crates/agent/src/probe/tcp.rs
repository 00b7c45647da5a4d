use std::net::SocketAddr;

use tokio::net::TcpStream;

/// Connects, and no more.
pub(super) async fn connect(target: SocketAddr) -> Result<(), String> {
    TcpStream::connect(target).await.map(drop).map_err(|error| format!("cannot connect to {target}: {error}"))
}
