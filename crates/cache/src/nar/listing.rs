use std::io::{self, Write};

use super::parse::Event;

/// Writes down what is in a NAR while it is read: the JSON of `HASH.ls`, of which only the depth is kept in memory.
#[derive(Debug)]
pub(crate) struct Listing<W> {
    out: W,
    /// For each folder that is open, whether it has an entry already.
    open: Vec<bool>,
}

impl<W: Write> Listing<W> {
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(br#"{"version":1,"root":"#)?;
        Ok(Self { out, open: Vec::new() })
    }

    /// Takes what the NAR says.
    pub(crate) fn tell(&mut self, event: Event<'_>) -> io::Result<()> {
        match event {
            Event::Directory => {
                self.open.push(false);
                self.out.write_all(br#"{"type":"directory","entries":{"#)
            }
            Event::Entry(name) => {
                if let Some(begun) = self.open.last_mut()
                    && std::mem::replace(begun, true)
                {
                    self.out.write_all(b",")?;
                }
                self.text(name)?;
                self.out.write_all(b":")
            }
            Event::Leave => {
                self.open.pop();
                self.out.write_all(b"}}")
            }
            Event::Symlink(target) => {
                self.out.write_all(br#"{"type":"symlink","target":"#)?;
                self.text(target)?;
                self.out.write_all(b"}")
            }
            Event::Regular { executable, size, offset } => {
                let executable = if executable { r#","executable":true"# } else { "" };
                write!(self.out, r#"{{"type":"regular","size":{size}{executable},"narOffset":{offset}}}"#)
            }
            Event::Contents(_) => Ok(()),
        }
    }

    /// Writes the end, and gives back what all was written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"}")?;
        Ok(self.out)
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &String::from_utf8_lossy(text)).map_err(Into::into)
    }
}
