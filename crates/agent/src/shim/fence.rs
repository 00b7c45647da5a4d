use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::time::{TimerfdClockId, TimerfdTimerFlags, Timespec};

use crate::boottime;
use crate::timer::Timer;

/// Until when a singleton may run, as its supervisor keeps it: the agent puts the moment off as long as it may, in a file.
///
/// All moments are by [`boottime`], which goes on while the machine is suspended.
pub(super) struct Fence {
    path: PathBuf,
    until: u64,
    timer: Timer,
}

impl Fence {
    /// A fence at `until`, or later if the file at `path` says so.
    pub(super) fn new(path: PathBuf, until: u64) -> io::Result<Self> {
        let mut fence = Self { path, until, timer: Timer::new(TimerfdClockId::Boottime)? };
        fence.look();
        Ok(fence)
    }

    /// Whether the moment has passed.
    pub(super) fn is_over(&mut self) -> bool {
        if boottime::now() >= self.until {
            self.look();
        }
        boottime::now() >= self.until
    }

    /// Returns when the moment has passed. It looks into the file only when the moment that it knows has come.
    pub(super) async fn run_out(&mut self) -> io::Result<()> {
        while !self.is_over() {
            let at = Timespec {
                tv_sec: i64::try_from(self.until / 1_000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(self.until % 1_000).unwrap_or(0) * 1_000_000,
            };
            self.timer.set(TimerfdTimerFlags::ABSTIME, at)?;
            self.timer.told().await?;
        }
        Ok(())
    }

    fn look(&mut self) {
        self.until = self.until.max(read(&self.path).unwrap_or(0));
    }
}

/// Puts the fence in the file at `path` off to `until`.
///
/// It is written over what was there, so that a full disk does no harm; and twice, so that half of it is not taken for
/// all.
pub(crate) fn put_off(path: &Path, until: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    let number = until.to_le_bytes();
    file.write_all(&[number, number].concat())
}

fn read(path: &Path) -> Option<u64> {
    let mut bytes = [0; 16];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    let (one, other) = bytes.split_at(8);
    let number = u64::from_le_bytes(one.try_into().ok()?);
    (one == other).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_moment_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fence");
        assert_eq!(read(&path), None);
        for until in [70_000, 5, u64::MAX] {
            put_off(&path, until).unwrap();
            assert_eq!(read(&path), Some(until));
        }
        for junk in [&b""[..], &[7; 15], &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]] {
            std::fs::write(&path, junk).unwrap();
            assert_eq!(read(&path), None, "{junk:?}");
        }
    }

    #[tokio::test]
    async fn it_runs_out_at_the_moment_that_was_set_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fence");
        let start = boottime::now();
        let mut fence = Fence::new(path.clone(), start + 100).unwrap();
        assert!(!fence.is_over());
        put_off(&path, start + 250).unwrap();
        fence.run_out().await.unwrap();
        assert!(boottime::now() >= start + 250);
        assert!(fence.is_over());
        assert!(Fence::new(path, start).unwrap().is_over(), "what is over is over from the start");
    }
}
