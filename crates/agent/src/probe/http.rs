use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How much of an answer is read: beyond that the status line is not coming, and a body is not worth the wait.
const MOST: usize = 64 << 10;

/// Asks for `path`; good is a status from 200 to 399.
///
/// One request on a connection of its own, and of the answer only the status counts: a few lines do what a client
/// library would need connections, pools and memory for.
pub(super) async fn get(target: SocketAddr, path: &str) -> Result<(), String> {
    let lost = |error: std::io::Error| format!("GET {path}: {error}");
    let mut stream =
        TcpStream::connect(target).await.map_err(|error| format!("cannot connect to {target}: {error}"))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: icefield\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut answer = Vec::with_capacity(1024);
    let line = loop {
        if let Some(end) = answer.iter().position(|byte| *byte == b'\n') {
            break String::from_utf8_lossy(&answer[..end]).into_owned();
        }
        if answer.len() >= MOST || stream.read_buf(&mut answer).await.map_err(lost)? == 0 {
            return Err(format!("GET {path}: the answer is not HTTP"));
        }
    };
    let status = status(&line).ok_or_else(|| format!("GET {path}: the answer is not HTTP"))?;
    if !(200..400).contains(&status) {
        return Err(format!("GET {path} answered {status}"));
    }
    // A server that is cut off in the middle of its answer would complain in its log.
    let mut read = answer.len();
    while read < MOST {
        answer.clear();
        match stream.read_buf(&mut answer).await {
            Ok(length) if length > 0 => read += length,
            Ok(_) => {
                // It has closed, so there is nobody to say goodbye to: that would cost more than the question did.
                let _ = stream.set_zero_linger();
                break;
            }
            Err(_) => break,
        }
    }
    Ok(())
}

/// The status in a line like `HTTP/1.1 200 OK`.
fn status(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let status: u16 = rest.split_whitespace().next()?.parse().ok()?;
    (100..1000).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The result of asking a server that answers with `answer` and closes.
    async fn asked(answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = listener.local_addr().unwrap();
        let server = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:"));
            stream.write_all(answer).await.unwrap();
        };
        tokio::join!(get(target, "/health"), server).0
    }

    #[tokio::test]
    async fn only_the_status_counts() {
        assert_eq!(asked(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await, Ok(()));
        assert_eq!(asked(b"HTTP/1.0 302 Found\r\n\r\n").await, Ok(()));
        assert_eq!(asked(b"HTTP/1.1 204\r\n\r\n").await, Ok(()));
        assert_eq!(asked(b"HTTP/1.1 500 Oh no\r\n\r\n").await, Err("GET /health answered 500".into()));
        assert_eq!(asked(b"HTTP/1.1 404 Not Found\r\n\r\n").await, Err("GET /health answered 404".into()));
    }

    #[tokio::test]
    async fn what_is_not_http_is_bad() {
        for junk in [b"" as &[u8], b"HTTP/1.1", b"\xff\x00\x80\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 -1 x\r\n"] {
            assert_eq!(asked(junk).await, Err("GET /health: the answer is not HTTP".into()));
        }
    }

    #[tokio::test]
    async fn nobody_there_is_bad() {
        let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        let said = get(free, "/").await.unwrap_err();
        assert!(said.starts_with(&format!("cannot connect to {free}: ")), "{said}");
    }
}
