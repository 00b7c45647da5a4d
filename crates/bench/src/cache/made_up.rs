use icefield_cache::{Compression, Hash, NarInfo, StoreDir, StorePath};

use crate::random::Random;

/// A path that holds one file.
pub(crate) struct MadeUp {
    pub(crate) info: NarInfo,
    /// Its NAR, compressed.
    pub(crate) file: Vec<u8>,
}

impl MadeUp {
    /// A path of `size` bytes, of which about one in `ratio` is left when it is compressed; it refers to `references`.
    pub(crate) fn new(number: u32, size: usize, ratio: usize, references: &[StorePath]) -> std::io::Result<Self> {
        let contents = contents(u64::from(number) + 1, size, ratio);
        let mut nar = Vec::with_capacity(size + 256);
        for text in [b"nix-archive-1".as_slice(), b"(", b"type", b"regular", b"contents", &contents, b")"] {
            nar.extend_from_slice(&(text.len() as u64).to_le_bytes());
            nar.extend_from_slice(text);
            nar.resize(nar.len().next_multiple_of(8), 0);
        }
        let file = zstd::encode_all(nar.as_slice(), 3)?;
        let path: StorePath = format!("{number:0>32}-made-up").parse().map_err(std::io::Error::other)?;
        let mut references = references.to_vec();
        references.sort();
        let info = NarInfo {
            store_dir: StoreDir::default(),
            path,
            url: format!("nar/{}.nar.zst", Hash::of(&file).base32()),
            compression: Compression::Zstd,
            file_hash: Some(Hash::of(&file)),
            file_size: Some(file.len() as u64),
            nar_hash: Hash::of(&nar),
            nar_size: nar.len() as u64,
            references,
            deriver: None,
            system: None,
            signatures: Vec::new(),
            ca: None,
        };
        Ok(Self { info, file })
    }
}

/// Bytes in pieces that are drawn by chance, each there `ratio` times.
pub(crate) fn contents(seed: u64, size: usize, ratio: usize) -> Vec<u8> {
    const PIECE: usize = 4096;
    let mut random = Random::new(seed);
    let mut contents = Vec::with_capacity(size + PIECE * ratio);
    while contents.len() < size {
        let piece: Vec<u8> = (0..PIECE / 8).flat_map(|_| random.next().to_le_bytes()).collect();
        for _ in 0..ratio {
            contents.extend_from_slice(&piece);
        }
    }
    contents.truncate(size);
    contents
}
