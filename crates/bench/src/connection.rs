use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that does no more than it must, so that the servers are measured: HTTP/1.1 on one connection, one request at a
/// time.
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    answer: Vec<u8>,
}

/// What a server has answered.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: String) -> io::Result<Self> {
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, answer: Vec::new() })
    }

    /// Sends a request, `head` being further lines of its head, and waits for its answer.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, head: &str, body: &[u8]) -> io::Result<Answer<'_>> {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{head}content-length: \
             {length}\r\n\r\n",
            self.address
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((head, length)) = whole(&self.answer)
                && self.answer.len() >= head + length
            {
                let status = self.answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
                let status = status.ok_or(io::ErrorKind::InvalidData)?;
                return Ok(Answer { status, body: &self.answer[head..head + length] });
            }
        }
    }
}

/// The lengths of the answer's head and of its body, once the head is there.
fn whole(answer: &[u8]) -> Option<(usize, usize)> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length =
        text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    Some((head + 4, length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is_there() {
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Le"), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"), Some((38, 5)));
        assert_eq!(whole(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((27, 0)));
    }
}
