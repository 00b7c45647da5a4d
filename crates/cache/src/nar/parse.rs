use std::io;

/// Something that a NAR says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A folder begins; its entries follow.
    Directory,
    /// An entry of the folder that is open; what it is follows.
    Entry(&'a [u8]),
    /// The folder that is open ends.
    Leave,
    /// A link to this target.
    Symlink(&'a [u8]),
    /// A file; its contents follow.
    Regular {
        /// Whether it may be executed.
        executable: bool,
        /// Its size in bytes.
        size: u64,
        /// Where its contents begin in the NAR, in bytes.
        offset: u64,
    },
    /// More of the file's contents.
    Contents(&'a [u8]),
}

/// Bytes are no NAR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no NAR: at byte {offset}, {problem}")]
pub struct InvalidNar {
    /// Where, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub problem: &'static str,
}

impl From<InvalidNar> for io::Error {
    fn from(error: InvalidNar) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The deepest that folders may be in folders.
const DEEPEST: usize = 512;
/// The longest name of an entry, in bytes.
const LONGEST_NAME: u64 = 255;
/// The longest target of a link, in bytes.
const LONGEST_TARGET: u64 = 4095;
/// The longest word of the format.
const LONGEST_WORD: u64 = 16;

/// Reads a NAR piece by piece, whole or not, and refuses what Nix would not have written. It keeps no more of it than a name.
#[derive(Debug)]
pub struct Parser {
    expects: Expects,
    part: Part,
    /// The length, or the text, that has come so far.
    text: Vec<u8>,
    /// The last name in each folder that is open.
    open: Vec<Vec<u8>>,
    executable: bool,
    offset: u64,
}

/// What the next text must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    Magic,
    Open,
    TypeWord,
    Type,
    RegularWord,
    ExecutableMark,
    ContentsWord,
    Contents,
    TargetWord,
    Target,
    Close,
    Entry,
    EntryOpen,
    NameWord,
    Name,
    NodeWord,
    EntryClose,
    Nothing,
}

/// What of a text comes next, and how much of it, in bytes.
#[derive(Debug, Clone, Copy)]
enum Part {
    Length,
    Text { left: u64, padding: u64 },
    Contents { left: u64, padding: u64 },
    Padding { left: u64 },
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            expects: Expects::Magic,
            part: Part::Length,
            text: Vec::new(),
            open: Vec::new(),
            executable: false,
            offset: 0,
        }
    }
}

impl Parser {
    /// Whether all of it has come.
    pub fn is_whole(&self) -> bool {
        self.expects == Expects::Nothing && matches!(self.part, Part::Length)
    }

    /// Reads on; `tell` is told what the bytes say.
    ///
    /// # Errors
    /// The bytes are no NAR, or `tell` fails.
    pub fn read(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(Event<'_>) -> io::Result<()>) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.is_whole() {
                return Err(self.invalid("something follows its end"));
            }
            let wanted = match self.part {
                Part::Length => 8 - self.text.len() as u64,
                Part::Text { left, .. } | Part::Contents { left, .. } | Part::Padding { left } => left,
            };
            let taken = usize::try_from(wanted).unwrap_or(usize::MAX).min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            self.take(now, tell)?;
            self.offset += taken as u64;
            bytes = rest;
        }
        Ok(())
    }

    fn take(&mut self, now: &[u8], tell: &mut impl FnMut(Event<'_>) -> io::Result<()>) -> io::Result<()> {
        let taken = now.len() as u64;
        match &mut self.part {
            Part::Length => {
                self.text.extend_from_slice(now);
                if let Ok(length) = <[u8; 8]>::try_from(self.text.as_slice()) {
                    self.text.clear();
                    self.begin(u64::from_le_bytes(length), taken, tell)?;
                }
            }
            Part::Text { left, padding } => {
                self.text.extend_from_slice(now);
                *left -= taken;
                if *left == 0 {
                    let padding = *padding;
                    self.end_text(padding, tell)?;
                }
            }
            Part::Contents { left, padding } => {
                *left -= taken;
                let (left, padding) = (*left, *padding);
                tell(Event::Contents(now))?;
                if left == 0 {
                    self.pad(padding);
                }
            }
            Part::Padding { left } => {
                *left -= taken;
                let left = *left;
                if now.iter().any(|byte| *byte != 0) {
                    return Err(self.invalid("what fills up to eight bytes is not zero"));
                }
                if left == 0 {
                    self.part = Part::Length;
                }
            }
        }
        Ok(())
    }

    /// The length of a text or of contents is there.
    fn begin(&mut self, length: u64, taken: u64, tell: &mut impl FnMut(Event<'_>) -> io::Result<()>) -> io::Result<()> {
        let padding = length.wrapping_neg() % 8;
        if self.expects == Expects::Contents {
            self.expects = Expects::Close;
            let offset = self.offset + taken;
            tell(Event::Regular { executable: self.executable, size: length, offset })?;
            if length > 0 {
                self.part = Part::Contents { left: length, padding };
            }
            return Ok(());
        }
        let longest = match self.expects {
            Expects::Name => LONGEST_NAME,
            Expects::Target => LONGEST_TARGET,
            _ => LONGEST_WORD,
        };
        if length > longest {
            return Err(self.invalid("a text is too long"));
        }
        self.part = Part::Text { left: length, padding };
        if length == 0 { self.end_text(0, tell) } else { Ok(()) }
    }

    fn end_text(&mut self, padding: u64, tell: &mut impl FnMut(Event<'_>) -> io::Result<()>) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        self.expects = self.accept(&text, tell)?;
        self.text = text;
        self.text.clear();
        self.pad(padding);
        Ok(())
    }

    fn pad(&mut self, padding: u64) {
        self.part = if padding > 0 { Part::Padding { left: padding } } else { Part::Length };
    }

    /// A text is there: what it means, and what must come after it.
    fn accept(&mut self, text: &[u8], tell: &mut impl FnMut(Event<'_>) -> io::Result<()>) -> io::Result<Expects> {
        Ok(match (self.expects, text) {
            (Expects::Magic, b"nix-archive-1") => Expects::Open,
            (Expects::Magic, _) => return Err(self.invalid("it does not begin as one")),
            (Expects::Open, b"(") => Expects::TypeWord,
            (Expects::TypeWord, b"type") => Expects::Type,
            (Expects::Type, b"regular") => {
                self.executable = false;
                Expects::RegularWord
            }
            (Expects::Type, b"symlink") => Expects::TargetWord,
            (Expects::Type, b"directory") => {
                if self.open.len() == DEEPEST {
                    return Err(self.invalid("its folders are too deep"));
                }
                self.open.push(Vec::new());
                tell(Event::Directory)?;
                Expects::Entry
            }
            (Expects::RegularWord, b"executable") => Expects::ExecutableMark,
            (Expects::ExecutableMark, b"") => {
                self.executable = true;
                Expects::ContentsWord
            }
            (Expects::RegularWord | Expects::ContentsWord, b"contents") => Expects::Contents,
            (Expects::TargetWord, b"target") => Expects::Target,
            (Expects::Target, target) => {
                if target.is_empty() || target.contains(&0) {
                    return Err(self.invalid("a link leads nowhere"));
                }
                tell(Event::Symlink(target))?;
                Expects::Close
            }
            (Expects::Close, b")") => self.close(),
            (Expects::Entry, b"entry") => Expects::EntryOpen,
            (Expects::Entry, b")") => {
                self.open.pop();
                tell(Event::Leave)?;
                self.close()
            }
            (Expects::EntryOpen, b"(") => Expects::NameWord,
            (Expects::NameWord, b"name") => Expects::Name,
            (Expects::Name, name) => {
                self.check_name(name)?;
                tell(Event::Entry(name))?;
                Expects::NodeWord
            }
            (Expects::NodeWord, b"node") => Expects::Open,
            (Expects::EntryClose, b")") => Expects::Entry,
            _ => return Err(self.invalid("another word should stand there")),
        })
    }

    /// A node ends: the whole, or an entry of the folder that is open.
    fn close(&self) -> Expects {
        if self.open.is_empty() { Expects::Nothing } else { Expects::EntryClose }
    }

    fn check_name(&mut self, name: &[u8]) -> io::Result<()> {
        if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(self.invalid("an entry has a name that no file can have"));
        }
        match self.open.last_mut() {
            Some(last) if name > last.as_slice() => *last = name.to_vec(),
            _ => return Err(self.invalid("the entries of a folder are not sorted")),
        }
        Ok(())
    }

    fn invalid(&self, problem: &'static str) -> io::Error {
        InvalidNar { offset: self.offset, problem }.into()
    }
}

#[cfg(test)]
mod tests;
