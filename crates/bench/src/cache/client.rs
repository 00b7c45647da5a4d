use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A client that does no more than it must: HTTP/1.1 on one connection, one request at a time; bodies are thrown away.
pub(crate) struct Client {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_owned(), buffer: vec![0; 256 << 10] })
    }

    /// Gets something, and says how many bytes its body had.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<u64> {
        let head = format!("GET /{path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.write_all(head.as_bytes())?;
        self.answer(path)
    }

    /// Uploads something.
    pub(crate) fn put(&mut self, path: &str, token: &str, body: &[u8]) -> io::Result<()> {
        let (host, length) = (&self.host, body.len());
        let head = format!(
            "PUT /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body)?;
        self.answer(path).map(drop)
    }

    fn answer(&mut self, path: &str) -> io::Result<u64> {
        let mut read = 0;
        let (body, length) = loop {
            let more = self.stream.read(&mut self.buffer[read..])?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read += more;
            if let Some(head) = self.buffer[..read].windows(4).position(|four| four == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
                if text.get(9..12) != Some("200") {
                    return Err(io::Error::other(format!("{path}: {}", text.lines().next().unwrap_or_default())));
                }
                let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
                break (read - head - 4, length.ok_or_else(|| io::Error::other("an answer without a length"))?);
            }
        };
        let mut left = length - body as u64;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            match self.stream.read(&mut self.buffer[..most])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => left -= more as u64,
            }
        }
        Ok(length)
    }
}
