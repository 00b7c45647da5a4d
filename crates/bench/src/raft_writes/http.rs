use std::io;

use icefield_api::IdempotencyKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::VALUE;
use super::load::Writer;

/// A client of Icefield that does no more than it must, so that the servers are measured: HTTP/1.1 on one connection.
pub(super) struct Connection {
    stream: TcpStream,
    address: String,
    client: usize,
    number: u64,
    answer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: String, client: usize) -> Result<Self, String> {
        let connect = async {
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            io::Result::Ok(stream)
        };
        let stream = connect.await.map_err(|error| format!("{address}: {error}"))?;
        Ok(Self { stream, address, client, number: 0, answer: Vec::new() })
    }

    async fn exchange(&mut self) -> io::Result<()> {
        self.number += 1;
        let text = format!("{:0>width$}", format!("{} {}", self.client, self.number), width = VALUE);
        let body = format!("{{\"text\":\"{text}\"}}");
        let request = format!(
            "POST /v1/events HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{}: {}\r\ncontent-length: \
             {}\r\n\r\n{body}",
            self.address,
            IdempotencyKey::HEADER,
            IdempotencyKey::fresh(),
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(length) = whole(&self.answer)
                && self.answer.len() >= length
            {
                break;
            }
        }
        if self.answer.starts_with(b"HTTP/1.1 200") {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&self.answer).into_owned()))
    }
}

impl Writer for Connection {
    async fn write(&mut self) -> Result<(), String> {
        self.exchange().await.map_err(|error| format!("{}: {error}", self.address))
    }
}

/// The length of the whole answer, once its head is there.
fn whole(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length =
        text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    Some(head + 4 + length.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is_there() {
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Le"), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"), Some(43));
        assert_eq!(whole(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(27));
    }
}
