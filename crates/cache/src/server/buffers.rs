use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// How much of a file is read at once, in bytes.
pub(super) const PIECE: usize = 256 << 10;

/// The buffers of a body, each read into over and over, so that none is made and cleared anew for each piece.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that goes back when it has been sent.
struct Piece {
    buffer: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl Buffers {
    /// A buffer of [`PIECE`] bytes.
    pub(super) fn take(&self) -> Vec<u8> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| vec![0; PIECE])
    }

    /// The first `length` bytes of a buffer, to be sent.
    pub(super) fn piece(&self, buffer: Vec<u8>, length: usize) -> Bytes {
        Bytes::from_owner(Piece { buffer, length, home: self.clone() })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_read_into_again() {
        let buffers = Buffers::default();
        let mut first = buffers.take();
        first[..2].copy_from_slice(b"ab");
        let place = first.as_ptr();
        let piece = buffers.piece(first, 2);
        assert_eq!(&piece[..], b"ab");
        let second = buffers.take();
        assert_ne!(second.as_ptr(), place, "it is still to be sent");
        drop(piece);
        let third = buffers.take();
        assert_eq!(third.as_ptr(), place);
    }
}
