use serde::{Deserialize, Serialize};

/// What time it is, for what must be found again after a restart of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clock {
    /// Milliseconds since 1970.
    pub(super) wall: u64,
    /// Which start of the machine this is.
    pub(super) boot: String,
    /// Milliseconds since then.
    pub(super) uptime: u64,
}

/// A moment that something must be done by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deadline {
    /// Which start of the machine it was set in. In another one it says nothing: what is to be decided is decided anew.
    boot: String,
    /// In that, by the time since the machine's start.
    uptime: u64,
    /// As people have it, in milliseconds since 1970.
    wall: u64,
}

impl Deadline {
    /// So many milliseconds from now.
    pub(super) fn after(clock: &Clock, millis: u64) -> Self {
        Self {
            boot: clock.boot.clone(),
            uptime: clock.uptime.saturating_add(millis),
            wall: clock.wall.saturating_add(millis),
        }
    }

    /// How many milliseconds are left.
    pub(super) fn left(&self, clock: &Clock) -> u64 {
        if self.boot == clock.boot {
            self.uptime.saturating_sub(clock.uptime)
        } else {
            self.wall.saturating_sub(clock.wall)
        }
    }
}
