use std::io;
use std::time::Duration;

use rustix::time::{TimerfdClockId, TimerfdTimerFlags, Timespec};
use tokio::time::{Instant, sleep_until};

use crate::timer::Timer;

/// Tells when a moment has come, for what an agent does over and over: by a timer of the kernel's.
///
/// The runtime keeps its own timers in slots, and is woken twice for one that is half a second away: when its slot comes,
/// and when it does. For an agent at rest that would be one in four of the times that it is woken.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: Timer,
    /// What the timer is set to.
    set: Option<Instant>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { timer: Timer::new(TimerfdClockId::Monotonic)?, set: None })
    }

    /// Returns when `moment` has come. It may be dropped before that.
    pub(crate) async fn at(&mut self, moment: Instant) {
        while Instant::now() < moment {
            if self.wait(moment).await.is_err() {
                sleep_until(moment).await;
            }
        }
    }

    /// Waits for the timer, which may still tell of an earlier moment.
    async fn wait(&mut self, moment: Instant) -> io::Result<()> {
        if self.set != Some(moment) {
            self.set = None;
            self.tell_in(moment - Instant::now())?;
            self.set = Some(moment);
        }
        self.timer.told().await
    }

    fn tell_in(&self, time: Duration) -> io::Result<()> {
        // With zero it would never tell.
        let time = time.max(Duration::from_nanos(1));
        self.timer.set(TimerfdTimerFlags::empty(), Timespec::try_from(time).map_err(io::Error::other)?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn moments_come_in_whatever_order_they_are_asked_for() {
        let (mut alarm, start) = (Alarm::new().unwrap(), Instant::now());
        alarm.at(start).await;
        alarm.at(start + 30 * MS).await;
        assert!(start.elapsed() >= 30 * MS);
        assert!(timeout(20 * MS, alarm.at(start + 10_000 * MS)).await.is_err(), "given up");
        alarm.at(start + 70 * MS).await;
        assert!((70 * MS..5_000 * MS).contains(&start.elapsed()), "an earlier one after that");
        assert!(timeout(20 * MS, alarm.at(start + 120 * MS)).await.is_err());
        tokio::time::sleep(60 * MS).await;
        // It has told of a moment that nobody waited for.
        alarm.at(start + 300 * MS).await;
        assert!(start.elapsed() >= 300 * MS);
    }
}
