use std::fs::File;
use std::io;
use std::io::IoSliceMut;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::buffers::{Buffers, PIECE};
use crate::store::Part;
use crate::turn::Taken;

/// What is sent.
pub(crate) enum Body {
    /// What is in memory.
    Whole(Bytes),
    /// A part of a file.
    File(FilePart),
    /// A NAR of a store as it is read.
    Store(StoreNar),
    /// What comes piece by piece, with the number of bytes that are left, if that is known.
    Pieces(mpsc::Receiver<io::Result<Bytes>>, Option<u64>),
    /// One of those, which others wait for.
    Counted { body: Box<Self>, _permit: OwnedSemaphorePermit },
}

/// A NAR, or a part of one, as a store reads it.
pub(crate) struct StoreNar {
    parts: mpsc::Receiver<io::Result<Part>>,
    /// The number of bytes that are left.
    left: u64,
    taken: Taken,
    /// The file that is being sent.
    file: Option<FilePart>,
    buffers: Buffers,
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
        Self::File(FilePart::new(file, from..to, Buffers::default()))
    }

    pub(super) fn store(parts: mpsc::Receiver<io::Result<Part>>, length: u64, taken: Taken) -> Self {
        Self::Store(StoreNar { parts, left: length, taken, file: None, buffers: Buffers::default() })
    }
}

impl StoreNar {
    /// The next piece; `None` at the end.
    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(file) = self.file.as_mut().filter(|file| file.at < file.end) {
                return file.next(context).map(|piece| Some(self.counted(piece)));
            }
            match ready!(self.parts.poll_recv(context)) {
                Some(Ok(Part::File(file, range))) => {
                    self.file = Some(FilePart::new(file, range, self.buffers.clone()));
                }
                Some(Ok(Part::Bytes(bytes))) => return Poll::Ready(Some(self.counted(Ok(bytes)))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.left > 0 => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn counted(&mut self, piece: io::Result<Bytes>) -> io::Result<Bytes> {
        if let Ok(piece) = &piece {
            self.left = self.left.saturating_sub(piece.len() as u64);
            self.taken.note();
        }
        piece
    }
}

impl FilePart {
    fn new(file: File, range: Range<u64>, buffers: Buffers) -> Self {
        Self { file: Arc::new(file), at: range.start, end: range.end, buffers, reading: None }
    }

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
        let read = ready!(Pin::new(reading).poll(context));
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
            Self::File(part) => ready!(part.next(context)),
            Self::Store(nar) => match ready!(nar.next(context)) {
                Some(piece) => piece,
                None => return Poll::Ready(None),
            },
            Self::Pieces(pieces, left) => match ready!(pieces.poll_recv(context)) {
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
            Self::Store(nar) => nar.left == 0,
            Self::Pieces(_, left) => *left == Some(0),
            Self::Counted { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File(part) => SizeHint::with_exact(part.end - part.at),
            Self::Store(nar) => SizeHint::with_exact(nar.left),
            Self::Pieces(_, Some(left)) => SizeHint::with_exact(*left),
            Self::Pieces(_, None) => SizeHint::default(),
            Self::Counted { body, .. } => body.size_hint(),
        }
    }
}
