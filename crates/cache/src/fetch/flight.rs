use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::source::{PAUSE, Source, told};
use super::{FetchError, Fetcher};
use crate::checker::Checker;
use crate::folder::{Draft, Folder};
use crate::narinfo::NarInfo;

/// How often a source is asked to go on after it has been cut off.
const TRIES: usize = 3;
/// How much is read at once of what has come, in bytes, and how many such pieces wait for a client.
const PIECE: u64 = 256 << 10;
const AHEAD: usize = 2;

/// A NAR that is on its way: into a file, from which all who want it read as it grows.
pub(super) struct Flight {
    info: Arc<NarInfo>,
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
    draft: Draft,
    checker: Checker,
    came: u64,
    /// Whether it is put together from what several sources sent.
    mixed: bool,
}

impl Coming {
    fn begin(folder: &Folder, info: &NarInfo) -> io::Result<Self> {
        let checker = Checker::new(&info.compression, info.nar_size)?;
        Ok(Self { draft: folder.draft()?, checker, came: 0, mixed: false })
    }

    fn take(mut self, piece: &Bytes) -> io::Result<Self> {
        self.checker.update(piece)?;
        self.draft.write_all(piece)?;
        self.came += piece.len() as u64;
        Ok(self)
    }
}

/// Why a source has not brought it to its end.
enum Stopped {
    /// It was cut off, and may go on from here.
    CutOff(Box<Coming>, String),
    /// What has come is not what it should be.
    Bad(String),
}

impl Flight {
    pub(super) fn new(info: Arc<NarInfo>) -> Self {
        Self { info, state: watch::Sender::new(State::Waiting) }
    }

    /// Gets it from the first source that brings it to its end.
    pub(super) async fn run(&self, fetcher: &Fetcher, sources: Vec<Arc<Source>>, via: Option<String>) {
        let path = self.info.path.to_string();
        let mut problem = "no source has it".to_owned();
        let mut round = 0;
        let mut begun: Option<Coming> = None;
        for source in sources {
            // What another one has sent may be what is bad.
            if let Some(begun) = &mut begun {
                begun.mixed = true;
            }
            // Each calls its file as it likes.
            let info = match source.narinfo(self.info.path.hash(), via.as_deref()).await {
                Ok(Some(info)) if self.is_same(&info) => info,
                Ok(_) => continue,
                Err(error) => {
                    problem = format!("{}: {error}", source.url());
                    continue;
                }
            };
            for _ in 0..TRIES {
                let coming = match begun.take() {
                    Some(coming) => Ok(coming),
                    None => {
                        round += 1;
                        Coming::begin(&fetcher.folder, &self.info)
                    }
                };
                let coming = match coming {
                    Ok(coming) => coming,
                    Err(error) => return self.fail(path, error.to_string()),
                };
                let mixed = coming.mixed;
                let landed = match self.bring(&source, &info.url, via.as_deref(), coming, round).await {
                    Ok(coming) => self.land(fetcher, coming, round).await.map_err(|error| (None, error.to_string())),
                    Err(Stopped::CutOff(coming, error)) => Err((Some(*coming), error)),
                    Err(Stopped::Bad(error)) => Err((None, error)),
                };
                let Err((left, error)) = landed else { return };
                problem = format!("{}: {error}", source.url());
                begun = left;
                if begun.is_none() && !mixed {
                    // What it has is bad, so it is not asked again.
                    tracing::warn!(path, "{problem}");
                    break;
                }
            }
        }
        self.fail(path, problem);
    }

    /// Whether a source has the same file, so that one can go on where the other was cut off.
    fn is_same(&self, info: &NarInfo) -> bool {
        let file = |info: &NarInfo| (info.nar_hash, info.file_hash, info.compression.clone());
        file(info) == file(&self.info)
    }

    fn fail(&self, path: String, problem: String) {
        tracing::warn!(path, "it cannot be got: {problem}");
        self.state.send_replace(State::Failed(FetchError::Bad { path, problem }));
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
            Err(error) => return Err(Stopped::CutOff(Box::new(coming), error)),
        };
        // What has come already comes again from a source that knows no ranges.
        let mut again = coming.came - begins;
        let file = coming.draft.reader().map_err(|error| Stopped::Bad(error.to_string()))?;
        let file = Arc::new(file);
        loop {
            let mut piece = match tokio::time::timeout(PAUSE, answer.chunk()).await {
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
                Ok(Err(error)) => return Err(Stopped::Bad(error.to_string())),
                Err(_) => return Err(Stopped::Bad("the work was ended".into())),
            };
            let came = coming.came;
            self.state.send_replace(State::Coming { round, file: Arc::clone(&file), came });
        }
        // Whoever closes the connection early and says nothing of it is found out by the hash.
        match self.info.file_size {
            Some(size) if coming.came < size => Err(Stopped::CutOff(Box::new(coming), "it was cut off".into())),
            _ => Ok(coming),
        }
    }

    /// All has come: sees whether it is what it should be, and keeps it.
    async fn land(&self, fetcher: &Fetcher, coming: Coming, round: usize) -> io::Result<()> {
        let (folder, info) = (Arc::clone(&fetcher.folder), Arc::clone(&self.info));
        let landed = tokio::task::spawn_blocking(move || {
            let file = Arc::new(coming.draft.reader()?);
            let checked = coming.checker.finish()?;
            if let Some(problem) = checked.differs(&info) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            let mut kept = NarInfo::clone(&info);
            let name = format!("{}.nar{}", checked.file_hash.base32(), info.compression.extension());
            kept.url = format!("nar/{name}");
            kept.file_hash = Some(checked.file_hash);
            kept.file_size = Some(checked.file_size);
            coming.draft.place(&folder.nar_path(&name))?;
            if let Some(nar) = folder.nar(&name)? {
                folder.note_sound(&name, nar.stamp);
            }
            // What it refers to comes when it is asked for.
            drop(folder.publish(&kept, None, None, &|_| true)?);
            Ok((file, checked.file_size))
        });
        let (file, size) = landed.await.unwrap_or_else(|_| Err(io::Error::other("the work was ended")))?;
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
