//! The archive that Nix hashes and ships a store path as: the same bytes for the same contents.
//!
//! [`pack`](pack()) writes one from the file system, [`Parser`] reads one piece by piece, `Listing` writes down what is in it.

mod listing;
mod pack;
mod parse;

pub(crate) use self::listing::Listing;
pub use self::pack::{Sink, pack};
pub use self::parse::{Event, InvalidNar, Parser};

#[cfg(test)]
pub(crate) mod fixture {
    /// The NAR of a file with these contents.
    pub(crate) fn nar_of(contents: &[u8]) -> Vec<u8> {
        let mut nar = Vec::new();
        for text in [b"nix-archive-1".as_slice(), b"(", b"type", b"regular", b"contents", contents, b")"] {
            nar.extend_from_slice(&(text.len() as u64).to_le_bytes());
            nar.extend_from_slice(text);
            nar.resize(nar.len().next_multiple_of(8), 0);
        }
        nar
    }
}
