use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use hyper::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::answer::{Answer, Refusal, text};
use super::limits::{EXTRA, SPARE};
use super::read::blocking;
use super::route::{Service, Target};
use crate::checker::{Checked, Checker};
use crate::compression::Compression;
use crate::folder::{Folder, check_file};
use crate::hash::Hash;
use crate::narinfo::{LARGEST_NARINFO, NarInfo};
use crate::store_path::PathHash;

/// How many pieces of a body may wait for the disk.
const AHEAD: usize = 4;
/// How much of a body that is refused is read, in bytes, and for how long.
const DRAIN: usize = 256 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);

impl Service {
    /// Takes an upload.
    pub(super) async fn take(
        &self,
        target: &Target<'_>,
        headers: &HeaderMap,
        mut body: Incoming,
    ) -> Result<Answer, Refusal> {
        let taken = self.take_body(target, headers, &mut body).await;
        if taken.is_err() && !headers.contains_key(EXPECT) {
            // Who sends all before it reads anything would not hear why it was refused.
            drop(tokio::time::timeout(DRAIN_TIME, drain(&mut body)).await);
        }
        taken
    }

    async fn take_body(
        &self,
        target: &Target<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Refusal> {
        let cache = &self.cache;
        let Some(folder) = cache.folder.clone().filter(|_| !cache.tokens.is_empty()) else {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "this cache takes no uploads"));
        };
        if !cache.tokens.admits(headers) {
            let hint = "uploads need a token: a Bearer token, or the password of this host in Nix's netrc-file";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, hint));
        }
        // What the client says of its size; what it sends is looked at besides.
        let announced = body.size_hint().exact().unwrap_or_default();
        let largest = match target {
            Target::Nar(..) => cache.limits.largest_nar,
            Target::NarInfo(_) => LARGEST_NARINFO as u64,
            _ => EXTRA as u64,
        };
        if announced > largest {
            let message = format!("the body is larger than {largest} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        if folder.free()? < announced.saturating_add(SPARE) {
            return Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "the cache's disk has no room for it"));
        }
        match *target {
            Target::Nar(name, _) => self.take_nar(folder, name, body).await?,
            Target::NarInfo(hash) => {
                let body = self.small(body, LARGEST_NARINFO).await?;
                self.take_narinfo(folder, hash, &body).await?;
            }
            // Made here from the NAR, and of what was not asked for.
            Target::Listing(_) | Target::CacheInfo => drop(self.small(body, EXTRA).await?),
            Target::Extra(name) => {
                let body = self.small(body, EXTRA).await?;
                let name = name.to_owned();
                blocking(move || folder.write(&name, &body)).await?;
            }
            Target::Home | Target::Health => return Err(Refusal::bad("that is not for upload")),
        }
        Ok(text(StatusCode::OK, Bytes::new()))
    }

    /// Whether a NAR has come whole and waits for its narinfo; only who may upload is told.
    pub(super) fn waits(&self, name: &str, headers: &HeaderMap) -> bool {
        let folder = self.cache.folder.as_ref().filter(|_| self.cache.tokens.admits(headers));
        folder.is_some_and(|folder| folder.incoming(name).exists())
    }

    /// Takes a NAR. It waits, out of sight, for its narinfo.
    async fn take_nar(&self, folder: Arc<Folder>, name: &str, body: &mut Incoming) -> Result<(), Refusal> {
        let compression = Compression::of_file(name).ok_or_else(|| {
            Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "NARs are taken as .nar, .nar.zst and .nar.xz; \
                 add ?compression=zstd to the cache's address",
            )
        })?;
        let hash = name.split_once('.').and_then(|(hash, _)| Hash::from_base32(hash));
        let hash = hash.ok_or_else(|| Refusal::bad("a NAR's file is called by its hash: nar/HASH.nar.zst"))?;
        let Ok(_permit) = self.uploads.acquire().await else { return Err(ended().into()) };
        let (pieces, receiver) = mpsc::channel(AHEAD);
        let (owned, largest) = (name.to_owned(), self.limits().largest_nar);
        let receiving =
            tokio::task::spawn_blocking(move || receive(&folder, &owned, &compression, hash, largest, receiver));
        let mut came = Ok(());
        loop {
            match tokio::time::timeout(self.limits().pause, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    // It fails when the other end has found something wrong, which it will tell.
                    if pieces.send(Some(data)).await.is_err() {
                        break;
                    }
                }
                Ok(Some(Err(error))) => {
                    came = Err(Refusal::bad(format!("the upload was cut off: {error}")));
                    break;
                }
                Ok(None) => {
                    // Only this says that all of it has come.
                    drop(pieces.send(None).await);
                    break;
                }
                Err(_) => {
                    came = Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the upload did not go on"));
                    break;
                }
            }
        }
        drop(pieces);
        let received = receiving.await.unwrap_or_else(|_| Err(ended()));
        came?;
        received.map_err(Refusal::of_upload)
    }

    /// Takes a narinfo: if all that it says is true, its path is there from now on.
    async fn take_narinfo(&self, folder: Arc<Folder>, hash: PathHash, body: &[u8]) -> Result<(), Refusal> {
        let cache = &self.cache;
        let invalid = |message: String| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message);
        let text = std::str::from_utf8(body).map_err(|_| invalid("a narinfo is text".into()))?;
        let mut info: NarInfo = text.parse().map_err(|error| invalid(format!("{error}")))?;
        if info.path.hash() != hash {
            return Err(invalid(format!("{}.narinfo must be of a path that begins so, not of {}", hash, info.path)));
        }
        if info.store_dir != cache.info.store_dir {
            let (is, other) = (&cache.info.store_dir, &info.store_dir);
            return Err(invalid(format!("this is a cache of the store {is}, not of {other}")));
        }
        if !cache.trusted.is_empty() && !info.is_signed_by(&cache.trusted) {
            let keys: Vec<&str> = cache.trusted.iter().map(crate::PublicKey::name).collect();
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                format!("it must be signed by one of {}", keys.join(", ")),
            ));
        }
        let name = info.file_name().ok_or_else(|| invalid(format!("{:?} is not in nar/", info.url)))?.to_owned();
        if Compression::of_file(&name).as_ref() != Some(&info.compression) {
            return Err(invalid(format!("{name} is not what a file compressed by {} is called", info.compression)));
        }
        for key in &cache.keys {
            info.sign(key);
        }
        let store = cache.store.clone();
        let published = blocking(move || {
            // Two paths may have the same NAR.
            let _alone = folder.publishing();
            let Some((checked, waiting)) = find(&folder, &name, &info)? else {
                return Ok(Err(format!("{} has not been uploaded, or not as a whole; send it again", info.url)));
            };
            if let Some(problem) = checked.differs(&info) {
                return Ok(Err(problem));
            }
            let elsewhere = |hash| store.as_ref().is_some_and(|store| store.may_have(hash));
            let (nar, listing) = waiting.map_or((None, None), |[nar, listing]| (Some(nar), Some(listing)));
            let published = folder.publish(&info, nar, listing, &elsewhere)?;
            if published.is_ok() {
                discard(&folder.incoming(&format!("{name}.json")));
            }
            Ok(published.map_err(|missing| missing.to_string()))
        })
        .await
        .map_err(Refusal::of_upload)?;
        published.map_err(invalid)
    }

    async fn small(&self, body: &mut Incoming, most: usize) -> Result<Bytes, Refusal> {
        let (mut limited, mut came) = (http_body_util::Limited::new(body, most), BytesMut::new());
        loop {
            match tokio::time::timeout(self.limits().pause, limited.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    came.extend_from_slice(&data);
                }
                Ok(None) => return Ok(came.freeze()),
                Ok(Some(Err(error))) => {
                    return Err(Refusal::bad(format!("the upload was cut off, or is too large: {error}")));
                }
                Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the upload did not go on")),
            }
        }
    }
}

/// Reads what is left of a body, up to a bound, and throws it away.
async fn drain(body: &mut Incoming) {
    let mut left = DRAIN;
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        if read > left {
            return;
        }
        left -= read;
    }
}

/// Writes an upload down while it is looked at, and puts it where it waits for its narinfo.
fn receive(
    folder: &Folder,
    name: &str,
    compression: &Compression,
    hash: Hash,
    largest: u64,
    mut pieces: mpsc::Receiver<Option<Bytes>>,
) -> io::Result<()> {
    let mut nar = folder.draft()?;
    let listing = Arc::new(folder.draft()?);
    let listed = BufWriter::new(listing.reader()?);
    let mut checker = Checker::new(compression, largest)?.listing(listed)?;
    loop {
        match pieces.blocking_recv() {
            Some(Some(piece)) => {
                nar.write_all(&piece)?;
                checker.update(&piece)?;
            }
            Some(None) => break,
            None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload was cut off")),
        }
    }
    let checked = checker.finish()?;
    if checked.file_hash != hash {
        let message = format!("what came has the hash {}, not that of its name", checked.file_hash.base32());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let listing = Arc::into_inner(listing).ok_or_else(ended)?;
    listing.place(&folder.incoming(&format!("{name}.ls")))?;
    let text = serde_json::to_vec(&checked)?;
    folder.write(&format!(".incoming/{name}.json"), &text)?;
    // The NAR last: with it, the others are there.
    nar.place(&folder.incoming(name))
}

/// What the NAR's file is, and where it waits if it is not in its place yet.
fn find(folder: &Folder, name: &str, info: &NarInfo) -> io::Result<Option<(Checked, Option<[PathBuf; 2]>)>> {
    let waiting = folder.incoming(name);
    match fs::read(folder.incoming(&format!("{name}.json"))) {
        Ok(text) if waiting.exists() => {
            let checked = serde_json::from_slice(&text)?;
            return Ok(Some((checked, Some([waiting, folder.incoming(&format!("{name}.ls"))]))));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Another path has the same contents, or this one came before.
    let Some(nar) = folder.nar(name)? else { return Ok(None) };
    Ok(Some((check_file(&nar.file, &info.compression, info.nar_size)?, None)))
}

fn discard(path: &std::path::Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, path = %path.display(), "a file stays until it is swept");
    }
}

fn ended() -> io::Error {
    io::Error::other("the work was ended")
}
