use std::io;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;

use crate::systemd::UnitWatch;

/// Tells when a supervisor ends.
pub(crate) enum Watch {
    /// One that this agent started, and so must take notice of.
    Own(Child),
    /// One that an earlier agent started.
    Adopted(AsyncFd<std::os::fd::OwnedFd>),
    /// There is none: systemd has that part.
    Units(UnitWatch),
}

impl Watch {
    /// For the supervisor with the number `pid`; `None` if it has just ended.
    pub(crate) fn adopt(pid: u32) -> io::Result<Option<Self>> {
        Ok(pidfd(pid)?.map(Self::Adopted))
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        match self {
            Self::Own(child) => child.wait().await.map(drop),
            Self::Adopted(fd) => fd.readable().await.map(drop),
            Self::Units(units) => {
                units.ended().await;
                Ok(())
            }
        }
    }
}

/// What becomes readable when the process `pid` ends; `None` if it has just ended.
pub(crate) fn pidfd(pid: u32) -> io::Result<Option<AsyncFd<std::os::fd::OwnedFd>>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        #[expect(deprecated, reason = "sound for an OwnedFd, which stays what it is; the replacement is unsafe")]
        Ok(fd) => Ok(Some(AsyncFd::with_interest(fd, Interest::READABLE)?)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
