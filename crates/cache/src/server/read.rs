use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderValue, RANGE};
use hyper::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::Body;
use super::answer::{Answer, Refusal, answer, text};
use super::etag::{continues, etag, is_known, quoted};
use super::range::{Part, part};
use super::route::{Service, Target};
use crate::fetch::{CLOSURE, FetchError, Fetcher, VIA};
use crate::folder::{Folder, NarFile, Sent};
use crate::hash::{Hash, Hasher};
use crate::narinfo::NarInfo;
use crate::store_path::PathHash;
use crate::turn::Turn;

/// What NARs are sent as, and narinfos.
const NAR: &str = "application/x-nix-nar";
const NARINFO: &str = "text/x-nix-narinfo";
/// How much of a file that has not been looked at is read at once, in bytes, and how many such pieces may wait.
const PIECE: usize = 256 << 10;
const AHEAD: usize = 2;
/// Up to how many bytes a file is read before anything of it is sent.
const SMALL: u64 = 1 << 20;

impl Service {
    pub(super) async fn read(&self, target: &Target<'_>, headers: &HeaderMap) -> Result<Answer, Refusal> {
        match *target {
            Target::Home => {
                let home = "a Nix binary cache of Icefield; `nix copy --from` this address gets paths from it\n";
                Ok(text(StatusCode::OK, home))
            }
            Target::Health => Ok(text(StatusCode::OK, "ok\n")),
            Target::CacheInfo => {
                Ok(answer(StatusCode::OK, "text/x-nix-cache-info", Body::Whole(self.cache.info.to_string().into())))
            }
            Target::NarInfo(hash) => {
                let sent = self.narinfo(hash, headers).await?;
                let sent = sent.ok_or_else(|| Refusal::not_found("no such path"))?;
                let known = is_known(headers, &sent.etag);
                let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
                let body = if known { Bytes::new() } else { sent.text };
                let mut answer = answer(status, NARINFO, Body::Whole(body));
                answer.headers_mut().insert(ETAG, sent.etag);
                Ok(answer)
            }
            Target::Listing(hash) => self.listing(hash).await,
            Target::Nar(name, hash) => {
                let Ok(permit) = Arc::clone(&self.sending).try_acquire_owned() else { return Err(Refusal::busy()) };
                let ahead = self.sending.available_permits() > self.idle_above;
                let answer = self.nar(name, hash, headers, ahead).await?;
                Ok(answer.map(|body| match body {
                    Body::Whole(_) => body,
                    body => Body::Counted { body: Box::new(body), _permit: permit },
                }))
            }
            Target::Extra(name) => {
                let found = self.cache.folder.as_ref().map_or(Ok(None), |folder| folder.extra(name))?;
                let found = found.ok_or_else(|| Refusal::not_found("no such thing"))?;
                let kind = if name.starts_with("log/") { "text/plain; charset=utf-8" } else { "application/json" };
                Ok(answer(StatusCode::OK, kind, Body::Whole(found.into())))
            }
        }
    }

    /// What is sent of a path: from the folder, else from the store, else from others.
    async fn narinfo(&self, hash: PathHash, headers: &HeaderMap) -> Result<Option<Sent>, Refusal> {
        let cache = &self.cache;
        if let Some(folder) = &cache.folder
            && let Some(kept) = folder.narinfo(hash)?
        {
            return Ok(Some(kept.sent.get_or_init(|| self.sent(&kept.info)).clone()));
        }
        if let Some(store) = &cache.store
            && let Some(found) = store.narinfo(hash).await.map_err(unavailable)?
        {
            return Ok(Some(found.sent.get_or_init(|| self.sent(&found.info)).clone()));
        }
        if let Some(fetcher) = self.fetcher(headers).await
            && let Some(info) = fetcher.narinfo(hash, via(headers)).await.map_err(bad_gateway)?
        {
            let mut info = NarInfo::clone(&info);
            if let Some(name) = info.file_name() {
                info.url = format!("nar/{name}?hash={hash}");
            }
            return Ok(Some(self.sent(&info)));
        }
        Ok(None)
    }

    /// What gets from others what a request is for.
    async fn fetcher(&self, headers: &HeaderMap) -> Option<Arc<Fetcher>> {
        if let Some(fetcher) = &self.cache.fetcher {
            return Some(Arc::clone(fetcher));
        }
        let closure = headers.get(CLOSURE)?.to_str().ok()?.parse().ok()?;
        self.cache.closures.as_ref()?.fetcher(closure).await
    }

    fn sent(&self, info: &NarInfo) -> Sent {
        let mut info = info.clone();
        for key in &self.cache.keys {
            info.sign(key);
        }
        let text = Bytes::from(info.to_string());
        Sent { etag: etag(&text), text }
    }

    async fn listing(&self, hash: PathHash) -> Result<Answer, Refusal> {
        let cache = &self.cache;
        let mut found = cache.folder.as_ref().map_or(Ok(None), |folder| folder.extra(&format!("{hash}.ls")))?;
        if let (None, Some(store)) = (&found, &cache.store)
            && let Some(path) = store.narinfo(hash).await.map_err(unavailable)?
        {
            let store = Arc::clone(store);
            found = Some(blocking(move || store.listing(&path.info)).await?);
        }
        let found = found.ok_or_else(|| Refusal::not_found("no such path, or it came without a listing"))?;
        Ok(answer(StatusCode::OK, "application/json", Body::Whole(found.into())))
    }

    /// A NAR: from the folder, else from the store, else from others. Read `ahead`, its pieces are read by another thread than
    /// the one that sends them.
    async fn nar(
        &self,
        name: &str,
        hash: Option<PathHash>,
        headers: &HeaderMap,
        ahead: bool,
    ) -> Result<Answer, Refusal> {
        let cache = &self.cache;
        if let Some(folder) = &cache.folder
            && let Some(nar) = folder.nar(name)?
        {
            return self.nar_file(folder, name, nar, headers, ahead).await;
        }
        let not_found = || Refusal::not_found("no such NAR");
        let hash = hash.ok_or_else(not_found)?;
        if let Some(store) = &cache.store
            && let Some(found) = store.narinfo(hash).await.map_err(unavailable)?
            && found.info.file_name() == Some(name)
        {
            let (size, turn) = (found.info.nar_size, self.turn().await?);
            return Ok(send(name, size, headers, |from, to| {
                let taken = turn.taken();
                Body::store(store.nar(found, from..to, ahead, turn), to - from, taken)
            }));
        }
        if let Some(fetcher) = self.fetcher(headers).await
            && let Some(info) = fetcher.narinfo(hash, via(headers)).await.map_err(bad_gateway)?
            && info.file_name() == Some(name)
        {
            if let Some(nar) = fetcher.folder().nar(name)? {
                return self.nar_file(fetcher.folder(), name, nar, headers, ahead).await;
            }
            let reader = fetcher.nar(&info, via(headers)).await.map_err(bad_gateway)?;
            return Ok(match info.file_size {
                Some(size) => {
                    send(name, size, headers, |from, to| Body::Pieces(reader.send(from, to), Some(to - from)))
                }
                None => answer(StatusCode::OK, NAR, Body::Pieces(reader.send(0, u64::MAX), None)),
            });
        }
        Err(not_found())
    }

    /// A NAR's file. One that has not been looked at since it was written is so while it is sent, and its end is kept back
    /// until it is known to be right.
    async fn nar_file(
        &self,
        folder: &Arc<Folder>,
        name: &str,
        nar: NarFile,
        headers: &HeaderMap,
        ahead: bool,
    ) -> Result<Answer, Refusal> {
        let folder = Arc::clone(folder);
        if folder.is_sound(name, nar.stamp) {
            if !ahead {
                return Ok(send(name, nar.size, headers, |from, to| Body::file(nar.file, from, to)));
            }
            let turn = self.turn().await?;
            return Ok(send(name, nar.size, headers, |from, to| read_ahead(nar.file, from..to, turn)));
        }
        let hash = name.split_once('.').and_then(|(hash, _)| Hash::from_base32(hash));
        let hash = hash.ok_or_else(|| Refusal::not_found("NARs that are not called by their hash are not served"))?;
        let (owned, stamp, size) = (name.to_owned(), nar.stamp, nar.size);
        if headers.contains_key(RANGE) || nar.size <= SMALL {
            // A part says nothing of the whole, so that is read first; of a small file there is nothing to send before that.
            let file = blocking(move || {
                let mut hasher = Hasher::default();
                pieces(&nar.file, 0..nar.size, |piece| {
                    hasher.update(&piece);
                    Ok(())
                })?;
                compare(&owned, hasher.finish(), hash)?;
                folder.note_sound(&owned, stamp);
                Ok(nar.file)
            })
            .await?;
            return Ok(send(name, size, headers, |from, to| Body::file(file, from, to)));
        }
        let (turn, (sender, receiver)) = (self.turn().await?, mpsc::channel(AHEAD));
        tokio::task::spawn_blocking(move || {
            let (mut hasher, mut last) = (Hasher::default(), None);
            let sent = pieces(&nar.file, 0..nar.size, |piece| {
                hasher.update(&piece);
                last.replace(piece).map_or(Ok(()), |piece| turn.hand_over(&sender, Ok(piece)))
            });
            let sound = sent.and_then(|()| compare(&owned, hasher.finish(), hash));
            if sound.is_ok() {
                folder.note_sound(&owned, stamp);
            }
            match (sound, last) {
                (Ok(()), Some(last)) => drop(turn.hand_over(&sender, Ok(last))),
                (Ok(()), None) => {}
                // If there is no room for it, that it ends early says the same.
                (Err(error), _) => drop(sender.try_send(Err(error))),
            }
        });
        Ok(send(name, size, headers, |_, _| Body::Pieces(receiver, Some(size))))
    }
}

/// Sends all of a NAR or the part that is asked for.
fn send(name: &str, size: u64, headers: &HeaderMap, body: impl FnOnce(u64, u64) -> Body) -> Answer {
    // What is called so never changes.
    let tag = quoted(name);
    if is_known(headers, &tag) {
        let mut known = answer(StatusCode::NOT_MODIFIED, NAR, Body::Whole(Bytes::new()));
        known.headers_mut().insert(ETAG, tag);
        return known;
    }
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok()).filter(|_| continues(headers, &tag));
    let (mut sent, content_range) = match part(range, size) {
        Part::Whole => (answer(StatusCode::OK, NAR, body(0, size)), None),
        Part::Bytes(bytes) => {
            let text = format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1);
            (answer(StatusCode::PARTIAL_CONTENT, NAR, body(bytes.start, bytes.end)), Some(text))
        }
        Part::Nowhere => {
            let nothing = text(StatusCode::RANGE_NOT_SATISFIABLE, "there are not so many bytes\n");
            (nothing, Some(format!("bytes */{size}")))
        }
    };
    let headers = sent.headers_mut();
    headers.insert(ETAG, tag);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = content_range.and_then(|range| HeaderValue::try_from(range).ok()) {
        headers.insert(CONTENT_RANGE, range);
    }
    sent
}

/// A part of a file, read by another thread than the one that sends it.
fn read_ahead(file: File, range: Range<u64>, turn: Turn) -> Body {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let length = range.end - range.start;
    tokio::task::spawn_blocking(move || {
        if let Err(error) = pieces(&file, range, |piece| turn.hand_over(&sender, Ok(piece))) {
            // If there is no room for it, that it ends early says the same.
            drop(sender.try_send(Err(error)));
        }
    });
    Body::Pieces(receiver, Some(length))
}

/// Reads a part of a file, piece by piece.
fn pieces(file: &File, range: Range<u64>, mut take: impl FnMut(Bytes) -> io::Result<()>) -> io::Result<()> {
    let (mut file, mut left) = (file, range.end - range.start);
    file.seek(SeekFrom::Start(range.start))?;
    while left > 0 {
        let wanted = left.min(PIECE as u64);
        let mut piece = Vec::with_capacity(PIECE);
        if file.take(wanted).read_to_end(&mut piece)? as u64 != wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= wanted;
        take(piece.into())?;
    }
    Ok(())
}

fn compare(name: &str, is: Hash, hash: Hash) -> io::Result<()> {
    if is == hash {
        return Ok(());
    }
    tracing::error!(
        name,
        "a file is damaged: its hash is {is}; `icefield cache verify --repair` takes it out of the way"
    );
    let message = format!("nar/{name} is damaged: its hash is {is}");
    // Not of the client's making.
    Err(io::Error::other(message))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(io::Error::other("the work was ended")))
}

/// Through whom a request has come.
fn via(headers: &HeaderMap) -> Option<&str> {
    headers.get(VIA).and_then(|via| via.to_str().ok())
}

fn unavailable(error: crate::store::QueryError) -> Refusal {
    tracing::warn!("{error}");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

fn bad_gateway(error: FetchError) -> Refusal {
    match error {
        FetchError::Busy => Refusal::busy(),
        FetchError::Here { ref source, .. } => {
            Refusal::new(Refusal::from(io::Error::from(source.kind())).status, error.to_string())
        }
        _ => Refusal::new(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}
