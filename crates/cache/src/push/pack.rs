use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::checker::Checked;
use crate::compression::Compression;
use crate::hash::Hasher;
use crate::nar::{self, Sink};

/// A NAR's file that has no name.
pub(super) struct Packed {
    pub(super) file: File,
    pub(super) checked: Checked,
    pub(super) compression: Compression,
}

/// Hashes what it passes on.
struct Hashing<W> {
    out: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Hashing<W> {
    fn new(out: W) -> Self {
        Self { out, hasher: Hasher::default(), size: 0 }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Sink for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
}

/// Packs what is at `path`.
pub(super) fn pack(path: &Path, level: Option<i32>) -> io::Result<Packed> {
    let mut out = Hashing::new(BufWriter::new(tempfile::tempfile()?));
    let (nar_hash, nar_size, compression) = match level {
        None => {
            nar::pack(path, &mut out)?;
            (out.hasher.clone().finish(), out.size, Compression::None)
        }
        Some(level) => {
            let mut plain = Hashing::new(zstd::Encoder::new(&mut out, level)?);
            nar::pack(path, &mut plain)?;
            plain.out.finish()?;
            (plain.hasher.finish(), plain.size, Compression::Zstd)
        }
    };
    let file = out.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let checked = Checked { file_hash: out.hasher.finish(), file_size: out.size, nar_hash, nar_size };
    Ok(Packed { file, checked, compression })
}
