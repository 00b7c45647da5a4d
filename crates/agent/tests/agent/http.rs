//! A GET without a library.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends a request for `path` and returns the connection.
pub(crate) async fn ask(target: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(target).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The status and the body, whose chunks are put together.
pub(crate) async fn get(target: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let mut answer = Vec::new();
    ask(target, path).await.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = &answer[end + 4..];
    (status, if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_vec() })
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        body = &body[end + 2..];
        whole.extend_from_slice(&body[..length]);
        body = &body[length + 2..];
    }
}
