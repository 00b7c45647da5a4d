use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine was started, those in which it was suspended among them: what a lease counts by.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000)
}
