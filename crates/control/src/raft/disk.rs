use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redb::{Builder, Database, DatabaseError};

/// Where one server keeps its files: a folder of the machine, or a simulated disk.
pub trait Disk: Debug + Send + Sync + 'static {
    /// What errors call the file.
    fn path(&self, name: &str) -> PathBuf;

    /// The size of a file in bytes; `None` if there is none.
    fn size(&self, name: &str) -> io::Result<Option<u64>>;

    /// The content of a file; `None` if there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Gives a file a new content. When this returns it is on the disk; after a crash before that, the file is either
    /// as it was or as it should be.
    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Gives a file a new content of the same few bytes, at once and without waiting for the disk: after a loss of power
    /// it may be as it was.
    fn note(&self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Opens a file as a database, and makes it if it is not there.
    fn database(&self, name: &str, builder: &Builder) -> Result<Database, DatabaseError>;

    /// How many bytes are free.
    fn free(&self) -> io::Result<u64>;

    /// Keeps so many bytes aside, for what has been begun when the disk gets full.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Gives back what was kept aside.
    fn release(&self) -> io::Result<()>;

    /// How much longer than its call each write to a database is to take: that of a simulated disk.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }
}

/// The name of the file that keeps space aside.
const RESERVE: &str = "reserve";

/// A folder of this machine. The state that is kept in it has the authorities' private keys: only the owner can read what is
/// in it.
#[derive(Debug)]
pub struct FolderDisk {
    path: PathBuf,
    /// The files that were noted something in.
    noted: Mutex<BTreeMap<String, File>>,
}

impl FolderDisk {
    /// The folder at `path`; it is made if it is not there.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path, noted: Mutex::default() })
    }
}

impl Disk for FolderDisk {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn size(&self, name: &str) -> io::Result<Option<u64>> {
        present(fs::metadata(self.path(name)).map(|file| file.len()))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        present(fs::read(self.path(name)))
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let draft = path.with_extension("new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(&self.path)?.sync_all()
    }

    fn note(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut open = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.contains_key(name) {
            let file = File::options().create(true).truncate(false).write(true).open(self.path(name))?;
            open.insert(name.to_owned(), file);
        }
        open[name].write_all_at(content, 0)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        present(fs::remove_file(self.path(name))).map(drop)
    }

    fn database(&self, name: &str, builder: &Builder) -> Result<Database, DatabaseError> {
        let path = self.path(name);
        let database = builder.create(&path)?;
        let private = fs::set_permissions(path, Permissions::from_mode(0o600));
        private.map_err(|error| DatabaseError::Storage(error.into()))?;
        Ok(database)
    }

    fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let file = File::options().create(true).truncate(false).write(true).open(self.path(RESERVE))?;
        Ok(rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?)
    }

    fn release(&self) -> io::Result<()> {
        self.remove(RESERVE)
    }
}

/// What is not there is no error.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
