use std::fs::File;
use std::io;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::buffers::{Buffers, PIECE};

/// What is sent.
pub(crate) enum Body {
    /// What is in memory.
    Whole(Bytes),
    /// A part of a file.
    File(FilePart),
    /// What comes piece by piece, with the number of bytes that are left, if that is known.
    Pieces(mpsc::Receiver<io::Result<Bytes>>, Option<u64>),
    /// One of those, which others wait for.
    Counted { body: Box<Self>, _permit: OwnedSemaphorePermit },
}

/// A part of a file.
pub(crate) struct FilePart {
    file: Arc<File>,
    at: u64,
    end: u64,
    buffers: Buffers,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Body {
    pub(super) fn file(file: File, from: u64, to: u64) -> Self {
        Self::File(FilePart { file: Arc::new(file), at: from, end: to, buffers: Buffers::default(), reading: None })
    }
}

impl FilePart {
    /// The next piece: at once if the system has it in memory, else by another thread.
    fn next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let left = self.end - self.at;
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        if self.reading.is_none() {
            let mut piece = self.buffers.take();
            let read =
                preadv2(&self.file, &mut [IoSliceMut::new(&mut piece[..wanted])], self.at, ReadWriteFlags::NOWAIT);
            match read {
                Ok(read) if read > 0 => {
                    self.at += read as u64;
                    return Poll::Ready(Ok(self.buffers.piece(piece, read)));
                }
                // The other thread will find out.
                _ => {
                    let (file, at, buffers) = (Arc::clone(&self.file), self.at, self.buffers.clone());
                    self.reading = Some(tokio::task::spawn_blocking(move || {
                        file.read_exact_at(&mut piece[..wanted], at)?;
                        Ok(buffers.piece(piece, wanted))
                    }));
                }
            }
        }
        let Some(reading) = &mut self.reading else { return Poll::Pending };
        let read = std::task::ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let piece = read.unwrap_or_else(|_| Err(io::Error::other("reading was ended")))?;
        self.at += piece.len() as u64;
        Poll::Ready(Ok(piece))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.get_mut() {
            Self::Counted { body, .. } => return Pin::new(&mut **body).poll_frame(context),
            Self::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Self::Whole(bytes) => Ok(std::mem::take(bytes)),
            Self::File(part) if part.at >= part.end => return Poll::Ready(None),
            Self::File(part) => std::task::ready!(part.next(context)),
            Self::Pieces(pieces, left) => match std::task::ready!(pieces.poll_recv(context)) {
                Some(piece) => {
                    if let (Some(left), Ok(piece)) = (left, &piece) {
                        *left = left.saturating_sub(piece.len() as u64);
                    }
                    piece
                }
                // Whoever sends it was ended; that must not look like the end of it.
                None if left.is_some_and(|left| left > 0) => Err(io::ErrorKind::UnexpectedEof.into()),
                None => return Poll::Ready(None),
            },
        };
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::File(part) => part.at >= part.end,
            Self::Pieces(_, left) => *left == Some(0),
            Self::Counted { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File(part) => SizeHint::with_exact(part.end - part.at),
            Self::Pieces(_, Some(left)) => SizeHint::with_exact(*left),
            Self::Pieces(_, None) => SizeHint::default(),
            Self::Counted { body, .. } => body.size_hint(),
        }
    }
}
