use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 that never go back: the wall clock as it was at the start, a monotonic one from then on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: u64,
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX), start: Instant::now() }
    }

    /// The time.
    pub(crate) fn now(&self) -> u64 {
        self.wall.saturating_add(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
