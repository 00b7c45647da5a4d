use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970 that never go back: the wall clock as it was at the start, a monotonic one from then on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: u64,
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX))
    }

    /// A clock that shows this time now.
    pub fn at(wall: u64) -> Self {
        Self { wall, start: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> u64 {
        self.wall.saturating_add(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
