use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::source::{Refused, Source, told};
use super::{FetchError, Fetcher};
use crate::checker::{Checked, Checker};
use crate::compression::Compression;
use crate::folder::{Draft, Folder};
use crate::hash::Hash;
use crate::narinfo::NarInfo;

/// How often a source is asked to go on after it has been cut off.
const TRIES: usize = 3;
/// For how long peers that have too much to do are asked again.
const BUSY: Duration = Duration::from_secs(60);
/// How much is read at once of what has come, in bytes, and how many such pieces wait for a client.
const PIECE: u64 = 256 << 10;
const AHEAD: usize = 2;

/// A NAR that is on its way: into a file, from which all who want it read as it grows.
pub(super) struct Flight {
    info: Arc<NarInfo>,
    unpack: bool,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone)]
enum State {
    /// Nothing has come yet.
    Waiting,
    /// So many bytes have come into this file. `round` is another once it began anew.
    Coming { round: usize, file: Arc<File>, came: u64 },
    /// All has come, and is what it should be.
    Whole { round: usize, file: Arc<File>, size: u64 },
    /// It cannot be got.
    Failed(FetchError),
}

/// What has come and been looked at.
struct Coming {
    /// The file that the source has.
    info: NarInfo,
    draft: Draft,
    checker: Checker,
    came: u64,
    unpack: bool,
    /// Whether it is put together from what several sources sent.
    mixed: bool,
}

impl Coming {
    fn begin(folder: &Folder, info: NarInfo, unpack: bool) -> io::Result<Self> {
        let (mut checker, draft) = (Checker::new(&info.compression, info.nar_size)?, folder.draft()?);
        if unpack {
            checker = checker.unpacking(draft.reader()?);
        }
        Ok(Self { info, draft, checker, came: 0, unpack, mixed: false })
    }

    fn take(mut self, piece: &Bytes) -> io::Result<Self> {
        self.checker.update(piece)?;
        if !self.unpack {
            self.draft.write_all(piece)?;
        }
        self.came += piece.len() as u64;
        Ok(self)
    }

    /// How many bytes there are to be sent on.
    fn ready(&self) -> u64 {
        if self.unpack { self.checker.unpacked() } else { self.came }
    }
}

/// What has come so far of a NAR, over all sources.
#[derive(Default)]
struct Begun {
    coming: Option<Coming>,
    round: usize,
    problem: String,
}

/// Why a source has not brought it to its end.
enum Stopped {
    /// It was cut off, and may go on from here.
    CutOff(Box<Coming>, String),
    /// The source has too much to do.
    Busy(Box<Coming>, Duration),
    /// What has come is not what it should be.
    Bad(String),
    /// This machine does not keep it.
    Here(io::Error),
}

impl Stopped {
    /// What has come was not taken.
    fn not_taken(error: io::Error) -> Self {
        // What the system says is of the disk; all else is of what has come.
        if error.raw_os_error().is_some() { Self::Here(error) } else { Self::Bad(error.to_string()) }
    }

    fn ended() -> Self {
        Self::Here(io::Error::other("the work was ended"))
    }
}

/// How it went with a source.
enum Went {
    /// All is here.
    Landed,
    /// It has too much to do, and is to be asked again after this time.
    Busy(Duration),
    /// It does not bring it.
    Failed,
    /// What it has is bad.
    Bad,
}

impl Flight {
    /// A path that is said to be so, and with `unpack` is to be kept as it is then, not compressed.
    pub(super) fn new(info: Arc<NarInfo>, unpack: bool) -> Self {
        Self { info, unpack, state: watch::Sender::new(State::Waiting) }
    }

    /// Gets it from the first source that brings it to its end. While peers have too much to do they are asked again, before
    /// the other sources are.
    pub(super) async fn run(&self, fetcher: &Fetcher, sources: Vec<Arc<Source>>, via: Option<String>) {
        // It is closed by nobody.
        let _turn = fetcher.turns.acquire().await;
        let (mut peers, others): (Vec<_>, Vec<_>) = sources.into_iter().partition(|source| source.is_peer());
        let mut begun = Begun { problem: "no source has it".to_owned(), ..Begun::default() };
        let deadline = Instant::now() + BUSY;
        loop {
            let mut again = None;
            let mut busy = Vec::new();
            for source in peers {
                match self.ask(fetcher, &source, via.as_deref(), &mut begun).await {
                    Ok(Went::Landed) => return,
                    Ok(Went::Busy(after)) => {
                        again = again.max(Some(after));
                        busy.push(source);
                    }
                    Ok(Went::Failed | Went::Bad) => {}
                    Err(error) => return self.fail_here(error),
                }
            }
            match again {
                Some(after) if Instant::now() < deadline => tokio::time::sleep(after).await,
                _ => break,
            }
            peers = busy;
        }
        for source in others {
            match self.ask(fetcher, &source, via.as_deref(), &mut begun).await {
                Ok(Went::Landed) => return,
                Ok(Went::Busy(_) | Went::Failed | Went::Bad) => {}
                Err(error) => return self.fail_here(error),
            }
        }
        self.fail(begun.problem);
    }

    /// Gets it from a source, or what is missing of it; an error is one of this machine.
    async fn ask(&self, fetcher: &Fetcher, source: &Source, via: Option<&str>, begun: &mut Begun) -> io::Result<Went> {
        // Each calls its file as it likes.
        let info = match source.narinfo(self.info.path.hash(), via).await {
            Ok(Some(info)) if self.is_same(&info) && info.compression.is_read() => info,
            Ok(_) => return Ok(Went::Failed),
            Err(error) => {
                begun.problem = format!("{}: {error}", source.url());
                return Ok(Went::Failed);
            }
        };
        // What another one has sent may be what is bad; if its file is another, nothing can go on there.
        begun.coming = begun.coming.take().filter(|coming| file_of(&coming.info) == file_of(&info));
        if let Some(coming) = &mut begun.coming {
            coming.mixed = true;
        }
        for _ in 0..TRIES {
            let coming = match begun.coming.take() {
                Some(coming) => coming,
                None => {
                    begun.round += 1;
                    Coming::begin(&fetcher.folder, info.clone(), self.unpack)?
                }
            };
            let (mixed, round) = (coming.mixed, begun.round);
            let brought = self.bring(source, &info.url, via, coming, round).await;
            let landed = match brought {
                Ok(coming) => self.land(fetcher, coming, round).await,
                Err(stopped) => Err(stopped),
            };
            let error = match landed {
                Ok(()) => return Ok(Went::Landed),
                Err(Stopped::Busy(coming, after)) => {
                    begun.coming = Some(*coming);
                    return Ok(Went::Busy(after));
                }
                Err(Stopped::CutOff(coming, error)) => {
                    begun.coming = Some(*coming);
                    error
                }
                Err(Stopped::Bad(error)) => error,
                Err(Stopped::Here(error)) => return Err(error),
            };
            begun.problem = format!("{}: {error}", source.url());
            if begun.coming.is_none() && !mixed {
                // What it has is bad, so it is not asked again.
                fetcher.complain(source, self.info.path.as_str(), &error);
                return Ok(Went::Bad);
            }
        }
        Ok(Went::Failed)
    }

    /// Whether a source has the same: the NAR if it is unpacked here, else the file. Its signature is not looked at again, so
    /// the size is, too: it says how much is taken from there.
    fn is_same(&self, info: &NarInfo) -> bool {
        let nar = |info: &NarInfo| (info.nar_hash, info.nar_size);
        nar(info) == nar(&self.info) && (self.unpack || file_of(info) == file_of(&self.info))
    }

    fn fail(&self, problem: String) {
        let path = self.info.path.to_string();
        tracing::warn!(path, "it cannot be got: {problem}");
        self.state.send_replace(State::Failed(FetchError::Bad { path, problem }));
    }

    /// It is no source's fault.
    fn fail_here(&self, error: io::Error) {
        let path = self.info.path.to_string();
        tracing::error!(path, "it cannot be kept: {error}");
        self.state.send_replace(State::Failed(FetchError::Here { path, source: Arc::new(error) }));
    }

    async fn bring(
        &self,
        source: &Source,
        url: &str,
        via: Option<&str>,
        mut coming: Coming,
        round: usize,
    ) -> Result<Coming, Stopped> {
        let (mut answer, begins) = match source.nar(url, via, coming.came).await {
            Ok(begun) => begun,
            Err(Refused::Busy(after)) => return Err(Stopped::Busy(Box::new(coming), after)),
            Err(Refused::For(error)) => return Err(Stopped::CutOff(Box::new(coming), error)),
        };
        // What has come already comes again from a source that knows no ranges.
        let mut again = coming.came - begins;
        let file = coming.draft.reader().map_err(Stopped::Here)?;
        let file = Arc::new(file);
        loop {
            let mut piece = match tokio::time::timeout(source.pause(via), answer.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(Stopped::CutOff(Box::new(coming), told(&error))),
                Err(_) => return Err(Stopped::CutOff(Box::new(coming), "it does not go on".into())),
            };
            let skipped = usize::try_from(again).unwrap_or(usize::MAX).min(piece.len());
            again -= skipped as u64;
            drop(piece.split_to(skipped));
            let taken = tokio::task::spawn_blocking(move || coming.take(&piece)).await;
            coming = match taken {
                Ok(Ok(coming)) => coming,
                Ok(Err(error)) => return Err(Stopped::not_taken(error)),
                Err(_) => return Err(Stopped::ended()),
            };
            let came = coming.ready();
            self.state.send_replace(State::Coming { round, file: Arc::clone(&file), came });
        }
        // Whoever closes the connection early and says nothing of it is found out by the hash.
        match coming.info.file_size {
            Some(size) if coming.came < size => Err(Stopped::CutOff(Box::new(coming), "it was cut off".into())),
            _ => Ok(coming),
        }
    }

    /// All has come: sees whether it is what it should be, and keeps it.
    async fn land(&self, fetcher: &Fetcher, coming: Coming, round: usize) -> Result<(), Stopped> {
        let (folder, info) = (Arc::clone(&fetcher.folder), Arc::clone(&self.info));
        let landed = tokio::task::spawn_blocking(move || {
            let checked = coming.checker.finish().map_err(Stopped::not_taken)?;
            if let Some(problem) = checked.differs(&coming.info) {
                return Err(Stopped::Bad(problem));
            }
            keep(&folder, &info, coming.draft, checked, coming.unpack).map_err(Stopped::Here)
        });
        let (file, size) = landed.await.unwrap_or_else(|_| Err(Stopped::ended()))?;
        self.state.send_replace(State::Whole { round, file, size });
        Ok(())
    }

    /// Someone who wants it: waits until something of it has come.
    pub(super) async fn reader(&self) -> Result<Reader, FetchError> {
        let mut state = self.state.subscribe();
        let begun = state.wait_for(|state| !matches!(state, State::Waiting)).await;
        match begun.map(|state| state.clone()) {
            Ok(State::Failed(error)) => Err(error),
            Ok(_) => Ok(Reader { state }),
            Err(_) => Err(FetchError::Sources("it was ended".into())),
        }
    }
}

/// Puts what has come into its place, and makes its path visible; gives the file and its size.
fn keep(folder: &Folder, info: &NarInfo, draft: Draft, checked: Checked, unpack: bool) -> io::Result<(Arc<File>, u64)> {
    let file = Arc::new(draft.reader()?);
    let (hash, size) = match unpack {
        true => (checked.nar_hash, checked.nar_size),
        false => (checked.file_hash, checked.file_size),
    };
    let name = format!("{}.nar{}", hash.base32(), info.compression.extension());
    draft.place(&folder.nar_path(&name))?;
    if let Some(nar) = folder.nar(&name)? {
        folder.note_sound(&name, nar.stamp);
    }
    let kept = NarInfo { url: format!("nar/{name}"), file_hash: Some(hash), file_size: Some(size), ..info.clone() };
    // What it refers to comes when it is asked for.
    folder.publish(&kept, None, None, &|_| true)?.map_err(io::Error::other)?;
    Ok((file, size))
}

/// What tells one file from another.
fn file_of(info: &NarInfo) -> (Hash, Option<Hash>, &Compression) {
    (info.nar_hash, info.file_hash, &info.compression)
}

/// Reads a NAR as it comes.
pub(crate) struct Reader {
    state: watch::Receiver<State>,
}

impl Reader {
    /// Waits until all of it is here.
    pub(super) async fn done(mut self) -> Result<(), FetchError> {
        let done = self.state.wait_for(|state| matches!(state, State::Whole { .. } | State::Failed(_))).await;
        match done.map(|state| state.clone()) {
            Ok(State::Failed(error)) => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(FetchError::Sources("it was ended".into())),
        }
    }

    /// Its bytes from `from` up to `to`. The last of the file do not come before all of it is known to be right; if it turns
    /// out not to be, an error comes in their place.
    pub(crate) fn send(mut self, from: u64, to: u64) -> mpsc::Receiver<io::Result<Bytes>> {
        let (pieces, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let mut at = from;
            let mut first_round = None;
            loop {
                let state = self.state.borrow_and_update().clone();
                let (round, file, ready, whole) = match state {
                    State::Waiting => (0, None, 0, false),
                    State::Coming { round, file, came } => (round, Some(file), came.saturating_sub(1), false),
                    State::Whole { round, file, size } => (round, Some(file), size, true),
                    State::Failed(error) => {
                        drop(pieces.send(Err(io::Error::other(error))).await);
                        return;
                    }
                };
                if let Some(file) = file {
                    if *first_round.get_or_insert(round) != round {
                        // What was sent so far is not of the file that comes now.
                        drop(pieces.send(Err(io::Error::other("it was begun anew"))).await);
                        return;
                    }
                    while at < ready.min(to) {
                        let (file, length) = (Arc::clone(&file), (ready.min(to) - at).min(PIECE));
                        let piece = tokio::task::spawn_blocking(move || {
                            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                            file.read_exact_at(&mut piece, at)?;
                            Ok(Bytes::from(piece))
                        });
                        let piece = piece.await.unwrap_or_else(|_| Err(io::Error::other("reading was ended")));
                        let ends = piece.is_err();
                        at += length;
                        if pieces.send(piece).await.is_err() || ends {
                            return;
                        }
                    }
                }
                if whole || at >= to || self.state.changed().await.is_err() {
                    return;
                }
            }
        });
        receiver
    }
}
