//! A cache on the disk, in the layout in which Nix itself keeps one (`nix copy --to file://…`).
//!
//! | file | what it is |
//! |---|---|
//! | `nix-cache-info` | what the cache says of itself |
//! | `HASH.narinfo`, `HASH.ls` | a path, and what is in it |
//! | `nar/NAME` | a NAR |
//! | `log/`, `realisations/`, … | what else Nix leaves with a cache |
//! | `.incoming/` | what has not all come yet, or waits for its narinfo |
//! | `.quarantine/` | what was found damaged |
//! | `.lock` | held together by those who make paths visible, alone by whoever removes some |

mod draft;
mod gc;
mod stamp;
mod verify;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::header::HeaderValue;
use rustix::fs::{FlockOperation, flock};

pub(crate) use self::draft::Draft;
pub use self::gc::{Collected, Collection};
pub(crate) use self::stamp::Stamp;
pub(crate) use self::verify::check_file;
pub use self::verify::{Bad, Verification};
use crate::cache_info::CacheInfo;
use crate::narinfo::{LARGEST_NARINFO, NarInfo, is_file_name};
use crate::store_path::{PathHash, StoreDir, StorePath};

/// How many narinfos are kept in memory; beyond that, they are read anew.
const REMEMBERED: usize = 20_000;
/// How long an upload may wait for its narinfo.
const UPLOAD_WAITS: Duration = Duration::from_secs(24 * 3600);

/// A cache on the disk. What it does waits for the disk.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    info: CacheInfo,
    remembered: Mutex<HashMap<PathHash, Arc<Kept>>>,
    /// The files that have been read, and were what their names say, since they were last written to.
    sound: Mutex<HashMap<String, Stamp>>,
    drafts: AtomicU64,
    /// Held by the one that makes a path visible.
    publishing: Mutex<()>,
}

/// A narinfo that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) info: Arc<NarInfo>,
    stamp: Stamp,
    /// What is sent of it, once it has been asked for.
    pub(crate) sent: OnceLock<Sent>,
}

/// What is sent of a narinfo.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) text: Bytes,
    pub(crate) etag: HeaderValue,
}

/// The file of a NAR, open.
#[derive(Debug)]
pub(crate) struct NarFile {
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) stamp: Stamp,
}

/// What must be here for a path to become visible, and is not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missing {
    /// A path that it refers to.
    #[error("it refers to {0}, which is not here; send that first")]
    Reference(StorePath),
    /// Its NAR: it may have been removed since it came.
    #[error("{0} is not here any more; send it again")]
    Nar(String),
}

/// A folder cannot be used as a cache.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// What cannot.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is of another store.
    #[error("{path} is a cache of the store {is}, not of {wanted}; use another folder, or give the other store")]
    OtherStore {
        /// The folder.
        path: PathBuf,
        /// Its store.
        is: StoreDir,
        /// The one that was asked for.
        wanted: StoreDir,
    },
    /// What it says of itself cannot be read.
    #[error("{path} cannot be read: {source}")]
    Info {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: crate::InvalidStorePath,
    },
}

impl Folder {
    /// The cache that is in a folder, or a new one.
    ///
    /// # Errors
    /// The folder cannot be used, or is of another store than `store`.
    pub fn open(path: impl Into<PathBuf>, store: Option<&StoreDir>) -> Result<Self, FolderError> {
        let path = path.into();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        for part in ["nar", ".incoming"] {
            let part = path.join(part);
            fs::create_dir_all(&part).map_err(failed(&part))?;
        }
        let file = path.join("nix-cache-info");
        let found = match fs::read_to_string(&file) {
            Ok(text) => {
                Some(text.parse::<CacheInfo>().map_err(|source| FolderError::Info { path: file.clone(), source })?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&file)(error)),
        };
        let new = found.is_none();
        let info = found
            .unwrap_or_else(|| CacheInfo { store_dir: store.cloned().unwrap_or_default(), ..CacheInfo::default() });
        if let Some(wanted) = store.filter(|wanted| **wanted != info.store_dir) {
            return Err(FolderError::OtherStore { path, is: info.store_dir, wanted: wanted.clone() });
        }
        let folder = Self {
            path,
            info,
            remembered: Mutex::default(),
            sound: Mutex::default(),
            drafts: AtomicU64::default(),
            publishing: Mutex::default(),
        };
        if new {
            folder.write("nix-cache-info", folder.info.to_string().as_bytes()).map_err(failed(&file))?;
        }
        Ok(folder)
    }

    /// What the cache says of itself.
    pub fn info(&self) -> &CacheInfo {
        &self.info
    }

    /// Removes what an upload has left that was cut off, or that nobody went on with. Only for the one process that serves
    /// the folder: it keeps others from doing so until the returned file is closed.
    ///
    /// # Errors
    /// Another process serves the folder, or it cannot be read.
    pub fn sweep(&self) -> io::Result<File> {
        let incoming = self.path.join(".incoming");
        let lock = File::options().write(true).create(true).truncate(false).open(incoming.join(".serving"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another process takes uploads into it")
            }
            error => error.into(),
        })?;
        for entry in fs::read_dir(&incoming)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let old = || entry.metadata().and_then(|file| file.modified()).is_ok_and(|at| is_older(at, UPLOAD_WAITS));
            let left = if name.ends_with(draft::ENDING) { !is_anothers(name) } else { name != ".serving" && old() };
            if left {
                tracing::info!(name, "removing what is left of an upload");
                fs::remove_file(entry.path())?;
            }
        }
        Ok(lock)
    }

    /// What is known of a path; `None` if it is not here.
    pub(crate) fn narinfo(&self, hash: PathHash) -> io::Result<Option<Arc<Kept>>> {
        let path = self.path.join(format!("{hash}.narinfo"));
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let stamp = Stamp::from(&metadata);
        let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        if let Some(known) = known.filter(|known| known.stamp == stamp) {
            return Ok(Some(known));
        }
        let mut text = String::new();
        let mut file = File::open(&path)?;
        let stamp = Stamp::from(&file.metadata()?);
        Read::by_ref(&mut file).take(LARGEST_NARINFO as u64).read_to_string(&mut text)?;
        let damaged = |problem: String| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {problem}", path.display()))
        };
        let info: NarInfo = text.parse().map_err(|error| damaged(format!("{error}")))?;
        if info.path.hash() != hash || info.store_dir != self.info.store_dir {
            return Err(damaged(format!("it is of {}", info.store_dir.join(&info.path))));
        }
        let kept = Arc::new(Kept { info: Arc::new(info), stamp, sent: OnceLock::new() });
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(hash, Arc::clone(&kept));
        Ok(Some(kept))
    }

    /// Whether a path is here.
    pub(crate) fn has(&self, hash: PathHash) -> bool {
        self.path.join(format!("{hash}.narinfo")).exists()
    }

    /// Every path that is here.
    pub(crate) fn hashes(&self) -> io::Result<Vec<PathHash>> {
        let mut hashes = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            hashes.extend(name.to_str().and_then(|name| name.strip_suffix(".narinfo")?.parse::<PathHash>().ok()));
        }
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// The file of a NAR.
    pub(crate) fn nar(&self, name: &str) -> io::Result<Option<NarFile>> {
        if !is_file_name(name) {
            return Ok(None);
        }
        let file = match File::open(self.nar_path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let stamp = Stamp::from(&metadata);
        Ok(Some(NarFile { size: metadata.len(), stamp, file }))
    }

    /// Whether a file has been found to be what its name says, and not been written to since.
    pub(crate) fn is_sound(&self, name: &str, stamp: Stamp) -> bool {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner).get(name) == Some(&stamp)
    }

    /// Remembers that a file is what its name says.
    pub(crate) fn note_sound(&self, name: &str, stamp: Stamp) {
        let mut sound = self.sound.lock().unwrap_or_else(PoisonError::into_inner);
        if sound.len() >= REMEMBERED {
            sound.clear();
        }
        sound.insert(name.to_owned(), stamp);
    }

    /// Something beside the paths: a listing, a build log.
    pub(crate) fn extra(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file to write, which has no name yet.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        loop {
            let number = self.drafts.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{number}{}", std::process::id(), draft::ENDING);
            match Draft::create(self.path.join(".incoming").join(name)) {
                // A process that had the same number has left it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
    }

    /// Where an upload waits for its narinfo.
    pub(crate) fn incoming(&self, name: &str) -> PathBuf {
        self.path.join(".incoming").join(name)
    }

    /// Where a NAR is.
    pub(crate) fn nar_path(&self, name: &str) -> PathBuf {
        self.path.join("nar").join(name)
    }

    /// How many bytes the disk has left.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(disk.f_bavail * disk.f_frsize)
    }

    /// Writes a file, whole or not at all; it is on the disk then.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        let parent = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(parent)?;
        let mut draft = self.draft()?;
        draft.write_all(bytes)?;
        draft.place(&path)?;
        sync(parent)
    }

    /// Has the caller make paths visible alone.
    pub(crate) fn publishing(&self) -> MutexGuard<'_, ()> {
        self.publishing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a path visible whose NAR is at `nar`, or else in its place: that gets its place, then the narinfo. A path that it
    /// refers to must be here, or one that `elsewhere` knows of. What is missing is returned, and nobody sees anything new.
    pub(crate) fn publish(
        &self,
        info: &NarInfo,
        nar: Option<PathBuf>,
        listing: Option<PathBuf>,
        elsewhere: &dyn Fn(PathHash) -> bool,
    ) -> io::Result<Result<(), Missing>> {
        // Whoever removes paths waits until this one, and with it what it refers to, is there. What was removed before is found
        // to be missing.
        let _lock = self.lock(FlockOperation::LockShared)?;
        let missing = info.references.iter().find(|reference| {
            let hash = reference.hash();
            **reference != info.path && !self.has(hash) && !elsewhere(hash)
        });
        if let Some(missing) = missing {
            return Ok(Err(Missing::Reference(missing.clone())));
        }
        let Some(name) = info.file_name() else { return Ok(Err(Missing::Nar(info.url.clone()))) };
        if let Some(nar) = nar {
            rename_if_there(&nar, &self.nar_path(name))?;
            sync(&self.path.join("nar"))?;
        }
        if !self.nar_path(name).try_exists()? {
            return Ok(Err(Missing::Nar(info.url.clone())));
        }
        let hash = info.path.hash();
        if let Some(listing) = listing {
            rename_if_there(&listing, &self.path.join(format!("{hash}.ls")))?;
        }
        self.write(&format!("{hash}.narinfo"), info.to_string().as_bytes())?;
        Ok(Ok(()))
    }

    fn lock(&self, how: FlockOperation) -> io::Result<File> {
        let lock = File::options().write(true).create(true).truncate(false).open(self.path.join(".lock"))?;
        flock(&lock, how)?;
        Ok(lock)
    }
}

/// Renames a file, unless it is gone: another one may have done so.
fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a draft is of another process that is there: a push into the same folder.
fn is_anothers(draft: &str) -> bool {
    let process = draft.split('-').next().unwrap_or_default();
    process != std::process::id().to_string() && Path::new("/proc").join(process).exists()
}

/// Writes a folder's names to the disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn is_older(at: SystemTime, than: Duration) -> bool {
    SystemTime::now().duration_since(at).is_ok_and(|age| age > than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_whose_nar_is_gone_is_not_published() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path(), None).unwrap();
        let info: NarInfo = "\
StorePath: /nix/store/a14dyi2ck3gzgnlk5718pn8bcrwavq2k-top
URL: nar/199gnwhsrbwq93lv16fixrdfz5xgbsk4diha6ds17l1vqr2yfjmh.nar.xz
Compression: xz
NarHash: sha256:1392rgxszyfgnskk4mk2f81hi9xgp99z7qw582zkq7xmf9nih945
NarSize: 208
"
        .parse()
        .unwrap();
        let (hash, waiting) = (info.path.hash(), folder.incoming("x"));
        for nar in [None, Some(waiting.clone())] {
            let missing = folder.publish(&info, nar, None, &|_| true).unwrap().unwrap_err();
            assert!(missing.to_string().ends_with("send it again"), "{missing}");
            assert!(!folder.has(hash));
        }
        fs::write(&waiting, "").unwrap();
        // Of two that send it at once, the second finds it in its place.
        for nar in [Some(waiting.clone()), Some(waiting), None] {
            folder.publish(&info, nar, Some(folder.incoming("x.ls")), &|_| true).unwrap().unwrap();
            assert!(folder.has(hash));
        }
    }
}
