use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// What takes a NAR.
pub trait Sink {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// They cannot be written, or nobody wants them any more.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether the next `length` bytes, the contents of a file, are of no interest; they then count as written.
    fn skip(&mut self, _length: u64) -> bool {
        false
    }

    /// Is offered the contents of a file, `length` bytes from its beginning: takes them all, or gives the file back to be
    /// read.
    ///
    /// # Errors
    /// Nobody wants them any more.
    fn file(&mut self, file: File, _length: u64) -> io::Result<Option<File>> {
        Ok(Some(file))
    }
}

/// Writes the NAR of what is at `path`.
///
/// # Errors
/// Something cannot be read, is no file, folder or link, or changes meanwhile; or the sink cannot take it.
pub fn pack(path: &Path, sink: &mut impl Sink) -> io::Result<()> {
    let mut packer = Packer { sink, piece: Vec::new() };
    packer.text(b"nix-archive-1")?;
    packer.node(path)
}

struct Packer<'a, S> {
    sink: &'a mut S,
    piece: Vec<u8>,
}

impl<S: Sink> Packer<'_, S> {
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        let length = text.len();
        let mut token = Vec::with_capacity(length + 16);
        token.extend_from_slice(&(length as u64).to_le_bytes());
        token.extend_from_slice(text);
        token.resize(8 + length.next_multiple_of(8), 0);
        self.sink.write(&token)
    }

    fn texts(&mut self, texts: &[&[u8]]) -> io::Result<()> {
        texts.iter().try_for_each(|text| self.text(text))
    }

    fn node(&mut self, path: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path).map_err(|error| of(path, &error))?;
        self.texts(&[b"(", b"type"])?;
        let kind = metadata.file_type();
        if kind.is_file() {
            self.regular(path, &metadata)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(|error| of(path, &error))?;
            self.texts(&[b"symlink", b"target", target.as_os_str().as_bytes()])?;
        } else if kind.is_dir() {
            self.directory(path)?;
        } else {
            return Err(io::Error::other(format!("{} is neither a file nor a folder nor a link", path.display())));
        }
        self.text(b")")
    }

    fn directory(&mut self, path: &Path) -> io::Result<()> {
        self.text(b"directory")?;
        let entries = fs::read_dir(path).map_err(|error| of(path, &error))?;
        let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name().into_vec())).collect();
        let mut names = names.map_err(|error| of(path, &error))?;
        names.sort_unstable();
        for name in names {
            self.texts(&[b"entry", b"(", b"name", &name, b"node"])?;
            self.node(&path.join(std::ffi::OsStr::from_bytes(&name)))?;
            self.text(b")")?;
        }
        Ok(())
    }

    fn regular(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        self.text(b"regular")?;
        // By the owner alone, as Nix does.
        if metadata.permissions().mode() & 0o100 != 0 {
            self.texts(&[b"executable", b""])?;
        }
        self.text(b"contents")?;
        let length = metadata.len();
        self.sink.write(&length.to_le_bytes())?;
        if !self.sink.skip(length) {
            self.contents(path, length)?;
        }
        let padding = length.next_multiple_of(8) - length;
        self.sink.write(&[0; 8][..usize::try_from(padding).unwrap_or_default()])
    }

    fn contents(&mut self, path: &Path, length: u64) -> io::Result<()> {
        let file = File::open(path).map_err(|error| of(path, &error))?;
        let Some(file) = self.sink.file(file, length)? else { return Ok(()) };
        let mut file = file.take(length);
        self.piece.resize(PIECE, 0);
        let mut left = length;
        while left > 0 {
            match file.read(&mut self.piece) {
                Ok(0) => return Err(io::Error::other(format!("{} has become shorter", path.display()))),
                Ok(read) => {
                    self.sink.write(&self.piece[..read])?;
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(of(path, &error)),
            }
        }
        Ok(())
    }
}

fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))
}
