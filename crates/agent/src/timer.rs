use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of the kernel's.
#[derive(Debug)]
pub(crate) struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// One that goes by this clock.
    pub(crate) fn new(clock: TimerfdClockId) -> io::Result<Self> {
        let timer = timerfd_create(clock, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "sound for an OwnedFd, which stays what it is; the replacement is unsafe")]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Has it tell once, and no more of what it was set to before; never if `value` is zero.
    pub(crate) fn set(&self, flags: TimerfdTimerFlags, value: Timespec) -> io::Result<()> {
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.0, flags, &once)?;
        Ok(())
    }

    /// Returns when it tells; that may still be of what it was set to before.
    pub(crate) async fn told(&self) -> io::Result<()> {
        // It is never read: to be set anew is enough for it to tell anew.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}
