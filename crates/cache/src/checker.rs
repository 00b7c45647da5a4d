use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::compression::Compression;
use crate::hash::{Hash, Hasher};
use crate::nar::{Event, Listing, Parser};
use crate::narinfo::NarInfo;

/// The most memory that xz may take for its dictionary, in bytes; Nix needs a tenth of it.
const XZ_MEMORY: u64 = 80 << 20;
/// How much larger than its NAR a file may be, in bytes: what does not compress, and what the form needs. Some forms may hold
/// any number of bytes that mean nothing.
const OVERHEAD: u64 = 1 << 20;
/// The largest window of Zstandard that is read, as a power of two of bytes.
const ZSTD_WINDOW: u32 = 26;

/// What a NAR's file has turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checked {
    #[serde(with = "as_text")]
    pub(crate) file_hash: Hash,
    pub(crate) file_size: u64,
    #[serde(with = "as_text")]
    pub(crate) nar_hash: Hash,
    pub(crate) nar_size: u64,
}

impl Checked {
    /// In what it differs from what is said of it; `None` if it is that.
    pub(crate) fn differs(&self, info: &NarInfo) -> Option<String> {
        let file_hash = info.file_hash.unwrap_or(self.file_hash);
        let file_size = info.file_size.unwrap_or(self.file_size);
        if (self.nar_hash, self.nar_size) != (info.nar_hash, info.nar_size) {
            let (has, says) = ((self.nar_hash, self.nar_size), (info.nar_hash, info.nar_size));
            return Some(format!(
                "the NAR has {} bytes with the hash {}, not {} with {}",
                has.1, has.0, says.1, says.0
            ));
        }
        if (self.file_hash, self.file_size) != (file_hash, file_size) {
            let (size, hash) = (self.file_size, self.file_hash);
            return Some(format!("the file has {size} bytes with the hash {hash}, not {file_size} with {file_hash}"));
        }
        None
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::hash::Hash;

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Looks at a NAR's file while it comes: hashes it, unpacks it, hashes the NAR, and sees whether it is one. It needs as much
/// memory as the compression does, however large the file is.
pub(crate) struct Checker {
    hasher: Hasher,
    size: u64,
    /// How large the file may be.
    largest: u64,
    decoder: Decoder,
}

enum Decoder {
    Plain(Box<Plain>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Plain>>),
    Xz(Box<liblzma::write::XzDecoder<Plain>>),
}

impl Checker {
    /// For a file that is compressed so; its NAR may have at most `largest` bytes.
    ///
    /// # Errors
    /// The compression is one that is not read here.
    pub(crate) fn new(compression: &Compression, largest: u64) -> io::Result<Self> {
        let plain =
            Plain { hasher: Hasher::default(), size: 0, largest, parser: Parser::default(), listing: None, out: None };
        let decoder = match compression {
            Compression::None => Decoder::Plain(Box::new(plain)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(plain)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Decoder::Zstd(Box::new(decoder))
            }
            Compression::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)?;
                Decoder::Xz(Box::new(liblzma::write::XzDecoder::new_stream(plain, stream)))
            }
            Compression::Other(name) => {
                let message = format!("files that are compressed by {name:?} cannot be checked; use zstd, xz or none");
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
        };
        let largest = largest.saturating_add(largest / 8).saturating_add(OVERHEAD);
        Ok(Self { hasher: Hasher::default(), size: 0, largest, decoder })
    }

    /// Writes down what is in it, meanwhile.
    pub(crate) fn listing(mut self, out: impl Write + Send + 'static) -> io::Result<Self> {
        self.plain_mut().listing = Some(Listing::new(Box::new(out) as Box<dyn Write + Send>)?);
        Ok(self)
    }

    /// Writes the NAR, not compressed, meanwhile.
    pub(crate) fn unpacking(mut self, out: impl Write + Send + 'static) -> Self {
        self.plain_mut().out = Some(Box::new(out));
        self
    }

    /// How many bytes of the NAR have come.
    pub(crate) fn unpacked(&self) -> u64 {
        match &self.decoder {
            Decoder::Plain(plain) => plain.size,
            Decoder::Zstd(decoder) => decoder.get_ref().size,
            Decoder::Xz(decoder) => decoder.get_ref().size,
        }
    }

    fn plain_mut(&mut self) -> &mut Plain {
        match &mut self.decoder {
            Decoder::Plain(plain) => plain,
            Decoder::Zstd(decoder) => decoder.get_mut(),
            Decoder::Xz(decoder) => decoder.get_mut(),
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// They cannot be unpacked, are no NAR, or make it or the file larger than it may be.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.largest {
            let message = format!("the file is larger than {} bytes, more than its NAR can need", self.largest);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        match &mut self.decoder {
            // The file is the NAR.
            Decoder::Plain(plain) => return plain.write_all(bytes),
            Decoder::Zstd(decoder) => decoder.write_all(bytes).map_err(of_file)?,
            Decoder::Xz(decoder) => decoder.write_all(bytes).map_err(of_file)?,
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// What it was.
    ///
    /// # Errors
    /// It was not whole.
    pub(crate) fn finish(self) -> io::Result<Checked> {
        let (plain, file_hash) = match self.decoder {
            Decoder::Plain(plain) => {
                let hash = plain.hasher.clone().finish();
                (*plain, hash)
            }
            Decoder::Zstd(mut decoder) => {
                decoder.flush().map_err(of_file)?;
                (decoder.into_inner(), self.hasher.finish())
            }
            Decoder::Xz(decoder) => (decoder.finish().map_err(of_file)?, self.hasher.finish()),
        };
        if !plain.parser.is_whole() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the NAR ends early"));
        }
        if let Some(listing) = plain.listing {
            listing.finish()?.flush()?;
        }
        let (nar_hash, nar_size) = (plain.hasher.finish(), plain.size);
        Ok(Checked { file_hash, file_size: self.size, nar_hash, nar_size })
    }
}

/// What is wrong with a file, of which the library says no more than that something is.
fn of_file(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Other if error.raw_os_error().is_none() => io::Error::new(io::ErrorKind::InvalidData, error),
        _ => error,
    }
}

/// Takes the NAR itself.
struct Plain {
    hasher: Hasher,
    size: u64,
    largest: u64,
    parser: Parser,
    listing: Option<Listing<Box<dyn Write + Send>>>,
    /// Where it goes.
    out: Option<Box<dyn Write + Send>>,
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += bytes.len() as u64;
        if self.size > self.largest {
            let message = format!("the NAR is larger than {} bytes", self.largest);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        self.hasher.update(bytes);
        let listing = &mut self.listing;
        self.parser.read(bytes, &mut |event: Event<'_>| match listing {
            Some(listing) => listing.tell(event),
            None => Ok(()),
        })?;
        if let Some(out) = &mut self.out {
            out.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nar::fixture::nar_of;

    fn check(compression: &Compression, bytes: &[u8]) -> io::Result<Checked> {
        let mut checker = Checker::new(compression, 1 << 20)?;
        bytes.chunks(1000).try_for_each(|piece| checker.update(piece))?;
        checker.finish()
    }

    fn compressed(nar: &[u8]) -> [(Compression, Vec<u8>); 3] {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(nar).unwrap();
        [
            (Compression::None, nar.to_vec()),
            (Compression::Zstd, zstd::encode_all(nar, 3).unwrap()),
            (Compression::Xz, xz.finish().unwrap()),
        ]
    }

    #[test]
    fn each_compression_gives_the_same_nar() {
        let nar = nar_of(&[7; 100_000]);
        for (compression, file) in compressed(&nar) {
            let checked = check(&compression, &file).unwrap();
            let expected = Checked {
                file_hash: Hash::of(&file),
                file_size: file.len() as u64,
                nar_hash: Hash::of(&nar),
                nar_size: nar.len() as u64,
            };
            assert_eq!(checked, expected);
        }
    }

    #[test]
    fn what_is_unpacked_is_the_nar() {
        let nar = nar_of(&[7; 100_000]);
        for (compression, file) in compressed(&nar) {
            let out = tempfile::tempfile().unwrap();
            let mut checker = Checker::new(&compression, 1 << 20).unwrap().unpacking(out.try_clone().unwrap());
            file.chunks(100).try_for_each(|piece| checker.update(piece)).unwrap();
            checker.finish().unwrap();
            let mut unpacked = vec![0; nar.len()];
            std::os::unix::fs::FileExt::read_exact_at(&out, &mut unpacked, 0).unwrap();
            assert!(unpacked == nar && out.metadata().unwrap().len() == nar.len() as u64, "{compression}");
        }
    }

    #[test]
    fn a_file_is_not_much_larger_than_its_nar() {
        let mut file = zstd::encode_all(nar_of(b"x").as_slice(), 3).unwrap();
        // A frame that is to be skipped, of a length that it says itself.
        let skipped = 3 << 20;
        file.extend([0x50, 0x2a, 0x4d, 0x18]);
        file.extend(u32::to_le_bytes(skipped));
        file.resize(file.len() + skipped as usize, 0);
        let error = check(&Compression::Zstd, &file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("the file is larger than"), "{error}");
    }

    #[test]
    fn what_is_cut_off_too_large_or_no_nar_is_refused() {
        for (compression, file) in compressed(&nar_of(&[7; 100_000])) {
            for cut in [0, 1, file.len() / 2, file.len() - 1] {
                let whole = check(&compression, &file).unwrap();
                assert_ne!(check(&compression, &file[..cut]).ok(), Some(whole), "{compression} {cut}");
            }
        }
        for (compression, file) in compressed(&nar_of(&vec![0; 2 << 20])) {
            let error = check(&compression, &file).unwrap_err();
            assert!(error.to_string().contains("larger than"), "{error}");
        }
        for (compression, file) in compressed(b"no nar at all, but some text") {
            check(&compression, &file).unwrap_err();
        }
        for compression in [Compression::Zstd, Compression::Xz] {
            let error = check(&compression, &[7; 1_000]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{compression}: {error}");
        }
        assert!(check(&Compression::Other("br".into()), b"").unwrap_err().to_string().contains("use zstd"));
    }
}
