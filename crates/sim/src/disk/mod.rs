//! Disks that lose, at a crash, what was not synced.

mod file;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use icefield_control::raft::{Claim, Disk, DiskFile};

use crate::chance::Chance;
use file::SimFile;

/// The disk of one server from one start to the next crash. What its server writes after that, nobody will ever read.
#[derive(Debug)]
pub(crate) struct SimDisk {
    files: Mutex<BTreeMap<String, Arc<SimFile>>>,
    latency: Duration,
    full: AtomicBool,
    honest: bool,
}

impl SimDisk {
    /// How many bytes are free where the disk is not nearly full, and where it is.
    const FREE: (u64, u64) = (1 << 30, 1 << 20);

    /// An empty disk, each write to which takes `latency`. A dishonest one says that it has synced and has not.
    pub(crate) fn new(latency: Duration, honest: bool) -> Self {
        Self { files: Mutex::default(), latency, full: AtomicBool::new(false), honest }
    }

    /// What a crash leaves of it.
    pub(crate) fn after_crash(&self, chance: &mut Chance, latency: Duration) -> Self {
        let left = |(name, file): (&String, &Arc<SimFile>)| {
            (name.clone(), Arc::new(SimFile::new(file.after_crash(chance), self.honest)))
        };
        let files = Mutex::new(self.files().iter().map(left).collect());
        Self { files, latency, full: AtomicBool::new(false), honest: self.honest }
    }

    /// Has it be nearly full, or no longer.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Arc<SimFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A simulated disk has one server.
#[derive(Debug)]
struct Owned;

impl Claim for Owned {}

impl Disk for SimDisk {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/simulated").join(name)
    }

    fn size(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.files().get(name).map(|file| file.length() as u64))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files().get(name).map(|file| file.now()))
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let file = SimFile::new(content.to_vec(), self.honest);
        self.files().insert(name.to_owned(), Arc::new(file));
        Ok(())
    }

    fn note(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = || Arc::new(SimFile::new(Vec::new(), self.honest));
        let file = Arc::clone(self.files().entry(name.to_owned()).or_insert_with(new));
        file.write_at(0, content)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files().remove(name);
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn create(&self, name: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::StorageFull)?;
        let file = Arc::new(SimFile::new(vec![0; length], self.honest));
        self.files().insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.files().get(name).cloned();
        file.map(|file| file as Arc<dyn DiskFile>).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn claim(&self) -> io::Result<Box<dyn Claim>> {
        Ok(Box::new(Owned))
    }

    fn free(&self) -> io::Result<u64> {
        let (plenty, little) = Self::FREE;
        Ok(if self.full.load(Ordering::Relaxed) { little } else { plenty })
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn release(&self) -> io::Result<()> {
        Ok(())
    }

    fn latency(&self) -> Duration {
        self.latency
    }

    /// So little that a run has many files.
    fn log_file(&self) -> u64 {
        32 << 10
    }
}
