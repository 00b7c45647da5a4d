//! A real Nix store, read only: what is in it by its folder, what is known of a path by the real `nix`, the NAR by reading
//! the path.

mod index;
mod query;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use self::index::Index;
pub use self::query::{Nix, QueryError};
use crate::checker::Checker;
use crate::compression::Compression;
use crate::folder::{Sent, Stamp};
use crate::hash::{Hash, Hasher};
use crate::nar::{Sink, pack};
use crate::narinfo::NarInfo;
use crate::store_path::{PathHash, StoreDir, StorePath};
use crate::turn::Turn;

/// How many paths' narinfos are kept in memory.
const REMEMBERED: usize = 20_000;
/// How much of a NAR is sent at once, in bytes.
const PIECE: usize = 256 << 10;
/// How many such pieces wait for a client that is slower than the disk.
const AHEAD: usize = 2;
/// From how many bytes on a file is left to whoever sends it to read, where many are sent at once.
const LARGE: u64 = 256 << 10;

/// A Nix store.
#[derive(Debug)]
pub struct NixStore {
    nix: Arc<Nix>,
    dir: StoreDir,
    /// Where its paths lie on this machine.
    real: PathBuf,
    index: Mutex<Index>,
    remembered: Mutex<HashMap<PathHash, Arc<InStore>>>,
}

/// A path of the store.
#[derive(Debug)]
pub(crate) struct InStore {
    pub(crate) info: Arc<NarInfo>,
    stamp: Stamp,
    /// What is sent of it, once it has been asked for.
    pub(crate) sent: OnceLock<Sent>,
    /// Whether its NAR has been read since and was what its hash says.
    verified: AtomicBool,
}

impl NixStore {
    /// The store whose paths are called as in `dir` and lie in `real`.
    pub fn new(nix: Nix, dir: StoreDir, real: PathBuf) -> Self {
        Self { nix: Arc::new(nix), dir, real, index: Mutex::default(), remembered: Mutex::default() }
    }

    /// The folder that its paths are called by.
    pub fn dir(&self) -> &StoreDir {
        &self.dir
    }

    /// Forgets what it knows; it is asked for anew.
    pub(crate) fn forget(&self) {
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = Index::default();
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = HashMap::new();
    }

    /// These paths and all that they need, as far as the store has them.
    pub(crate) async fn closure(&self, paths: &[StorePath]) -> Result<HashMap<StorePath, NarInfo>, QueryError> {
        self.nix.ask(&self.dir, paths, true).await
    }

    /// Where a path lies on this machine.
    pub(crate) fn real_path(&self, info: &NarInfo) -> PathBuf {
        self.real.join(info.path.as_str())
    }

    /// Whether there is a file or a folder of this name; it may not be whole yet.
    pub(crate) fn may_have(&self, hash: PathHash) -> bool {
        let found = self.index.lock().unwrap_or_else(PoisonError::into_inner).find(&self.real, hash);
        found.is_ok_and(|found| found.is_some())
    }

    /// What is known of a path; `None` if the store does not have it, or not all of it yet.
    pub(crate) async fn narinfo(self: &Arc<Self>, hash: PathHash) -> Result<Option<Arc<InStore>>, QueryError> {
        let this = Arc::clone(self);
        let looked_up = {
            let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
            match known {
                // A path that was removed may be another when it comes again.
                Some(known) if self.stamp(&known.info).is_some_and(|stamp| stamp == known.stamp) => {
                    return Ok(Some(known));
                }
                _ => tokio::task::spawn_blocking(move || {
                    this.index.lock().unwrap_or_else(PoisonError::into_inner).find(&this.real, hash)
                })
                .await
                .unwrap_or_else(|_| Err(io::Error::other("the search was ended")))?,
            }
        };
        let Some(path) = looked_up else { return Ok(None) };
        let Some(mut info) = self.nix.info(&self.dir, path).await? else { return Ok(None) };
        info.url = format!("nar/{}.nar?hash={hash}", info.nar_hash.base32());
        let Some(stamp) = self.stamp(&info) else { return Ok(None) };
        let found =
            Arc::new(InStore { info: Arc::new(info), stamp, sent: OnceLock::new(), verified: AtomicBool::new(false) });
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(hash, Arc::clone(&found));
        Ok(Some(found))
    }

    fn stamp(&self, info: &NarInfo) -> Option<Stamp> {
        std::fs::symlink_metadata(self.real_path(info)).ok().as_ref().map(Stamp::from)
    }

    /// A path's NAR from the byte `from` up to `to`, as it is read. If the whole does not have the hash that the store says, the
    /// last of it does not come, but an error.
    ///
    /// Read `ahead`, the next piece is read by one thread while another one sends the one before. That is faster for a single
    /// client; where there are more clients than processors, a file is read by the thread that sends it.
    pub(crate) fn nar(
        self: &Arc<Self>,
        found: Arc<InStore>,
        Range { start: from, end: to }: Range<u64>,
        ahead: bool,
        turn: Turn,
    ) -> mpsc::Receiver<io::Result<Part>> {
        let (parts, receiver) = mpsc::channel(AHEAD);
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let path = this.real_path(&found.info);
            let whole = from == 0 && to == found.info.nar_size;
            let sent = if whole {
                let mut sender = Sender::new(&parts, &turn, from..to, !found.verified.load(Ordering::Relaxed), ahead);
                pack(&path, &mut sender).and_then(|()| sender.finish(&found))
            } else {
                // A part says nothing of the whole, so that is read first.
                found.verify(&path).and_then(|()| {
                    let mut sender = Sender::new(&parts, &turn, from..to, false, ahead);
                    pack(&path, &mut sender).and_then(|()| sender.finish(&found))
                })
            };
            if let Err(error) = sent {
                tracing::warn!(%error, path = %path.display(), "a NAR was not sent to its end");
                // If there is no room for it, that it ends early says the same.
                drop(parts.try_send(Err(error)));
            }
        });
        receiver
    }

    /// What is in a path, as `HASH.ls` says it.
    pub(crate) fn listing(&self, info: &NarInfo) -> io::Result<Vec<u8>> {
        struct Checking(Checker);
        impl Sink for Checking {
            fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
                self.0.update(bytes)
            }
        }
        let out = Shared::default();
        let mut checking = Checking(Checker::new(&Compression::None, info.nar_size)?.listing(out.clone())?);
        pack(&self.real_path(info), &mut checking)?;
        checking.0.finish()?;
        Ok(std::mem::take(&mut out.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A part of a NAR, ready to be sent.
#[derive(Debug)]
pub(crate) enum Part {
    /// As it is.
    Bytes(Bytes),
    /// These bytes of a file.
    File(File, Range<u64>),
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl InStore {
    /// Reads the path, unless that was done, and compares it with its hash.
    fn verify(&self, path: &std::path::Path) -> io::Result<()> {
        struct Hashing(Hasher, u64);
        impl Sink for Hashing {
            fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
                self.0.update(bytes);
                self.1 += bytes.len() as u64;
                Ok(())
            }
        }
        if !self.verified.load(Ordering::Relaxed) {
            let mut hashing = Hashing(Hasher::default(), 0);
            pack(path, &mut hashing)?;
            self.compare(hashing.0.finish(), hashing.1)?;
        }
        Ok(())
    }

    fn compare(&self, hash: Hash, size: u64) -> io::Result<()> {
        if (hash, size) != (self.info.nar_hash, self.info.nar_size) {
            let message = format!(
                "{} is damaged: its NAR has {size} bytes with the hash {hash}, not {} with {}; \
                 `nix-store --verify-path` says the same, `nix-store --repair-path` may help",
                self.info.path, self.info.nar_size, self.info.nar_hash
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.verified.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Sends a NAR, or a part of one, in pieces.
struct Sender<'a> {
    parts: &'a mpsc::Sender<io::Result<Part>>,
    turn: &'a Turn,
    piece: Vec<u8>,
    at: u64,
    range: Range<u64>,
    hasher: Option<Hasher>,
    ahead: bool,
}

impl<'a> Sender<'a> {
    fn new(
        parts: &'a mpsc::Sender<io::Result<Part>>,
        turn: &'a Turn,
        range: Range<u64>,
        hash: bool,
        ahead: bool,
    ) -> Self {
        Self { parts, turn, piece: Vec::with_capacity(PIECE), at: 0, range, hasher: hash.then(Hasher::default), ahead }
    }

    /// Which of the next `length` bytes are wanted, counted from here.
    fn wanted(&self, length: u64) -> Range<u64> {
        let within = |at: u64| at.clamp(self.at, self.at + length) - self.at;
        within(self.range.start)..within(self.range.end.max(self.range.start))
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.hand_over(Part::Bytes(piece.into()))
    }

    fn hand_over(&self, part: Part) -> io::Result<()> {
        self.turn.hand_over(self.parts, Ok(part))
    }

    /// Sends the last piece, if all was right.
    fn finish(mut self, found: &InStore) -> io::Result<()> {
        match self.hasher.take() {
            Some(hasher) => found.compare(hasher.finish(), self.at)?,
            None if self.at != found.info.nar_size => return Err(io::Error::other("it has another size than before")),
            None => {}
        }
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}

impl Sink for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        let wanted = self.wanted(bytes.len() as u64);
        self.at += bytes.len() as u64;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let mut wanted = &bytes[place(wanted.start)..place(wanted.end)];
        while !wanted.is_empty() {
            // The last piece waits until the whole has been looked at.
            if self.piece.len() == PIECE {
                self.send()?;
            }
            let (now, rest) = wanted.split_at(wanted.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            wanted = rest;
        }
        Ok(())
    }

    fn skip(&mut self, length: u64) -> bool {
        let unwanted = self.hasher.is_none() && self.wanted(length).is_empty();
        if unwanted {
            self.at += length;
        }
        unwanted
    }

    fn file(&mut self, file: File, length: u64) -> io::Result<Option<File>> {
        if self.hasher.is_some() || self.ahead || length < LARGE {
            return Ok(Some(file));
        }
        if !self.piece.is_empty() {
            self.send()?;
        }
        let wanted = self.wanted(length);
        self.at += length;
        self.hand_over(Part::File(file, wanted))?;
        Ok(None)
    }
}
