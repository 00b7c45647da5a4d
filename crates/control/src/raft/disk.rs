use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

    /// The names of the files.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Makes a file of `length` zero bytes, for which there is room from then on. When this returns it is on the disk.
    fn create(&self, name: &str, length: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Claims all files for one server, until what is returned is dropped. The error is of the kind
    /// [`WouldBlock`](ErrorKind::WouldBlock) while another one has them.
    fn claim(&self) -> io::Result<Box<dyn Claim>>;

    /// How many bytes are free.
    fn free(&self) -> io::Result<u64>;

    /// Keeps so many bytes aside, for what has been begun when the disk gets full.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Gives back what was kept aside.
    fn release(&self) -> io::Result<()>;

    /// How much longer than its call each write to the log is to take: that of a simulated disk.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }

    /// How many bytes a file of the log gets, unless one write needs more.
    fn log_file(&self) -> u64 {
        4 << 20
    }
}

/// A file that is written in place.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Reads what is at `at`, as much as `out` is long.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes at `at`; it need not be on the disk when this returns.
    fn write_at(&self, at: u64, content: &[u8]) -> io::Result<()>;

    /// Returns when all that was written is on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// That a server alone uses a disk's files, for as long as this lives.
pub trait Claim: Debug + Send + Sync + 'static {}

impl Claim for File {}

impl DiskFile for File {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, at)
    }

    fn write_at(&self, at: u64, content: &[u8]) -> io::Result<()> {
        self.write_all_at(content, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The name of the file that keeps space aside.
const RESERVE: &str = "reserve";

/// The name of the file that the server which uses the folder has locked.
const LOCK: &str = "lock";

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
        let written =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(|mut file| {
                file.set_permissions(Permissions::from_mode(0o600))?;
                file.write_all(content)?;
                file.sync_all()
            });
        if let Err(error) = written {
            // What is full shall not be kept full by it.
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
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
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        present(fs::remove_file(self.path(name))).map(drop)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|file| Ok(file?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn create(&self, name: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        let file = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length) {
            // Some file systems keep no room; the file grows as it is written.
            Err(rustix::io::Errno::OPNOTSUPP) => {}
            allocated => allocated?,
        }
        file.sync_all()?;
        File::open(&self.path)?.sync_all()?;
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::options().read(true).write(true).open(self.path(name))?))
    }

    fn claim(&self) -> io::Result<Box<dyn Claim>> {
        let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(self.path(LOCK))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(lock))
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
