use std::time::{SystemTime, UNIX_EPOCH};

/// The milliseconds since 1970 (UTC), by the clock of the machine.
pub(crate) fn since_1970() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
