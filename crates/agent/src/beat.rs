use std::time::Duration;

use crate::core::Moment;

/// The last multiple of `every` that is not after `latest`.
///
/// What an agent does over and over it does on such beats: several things are due at one time then, and it is woken once for
/// all of them.
pub(crate) fn beat(latest: Moment, every: Duration) -> Moment {
    let over = latest.as_nanos().checked_rem(every.as_nanos()).unwrap_or(0);
    latest.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_is_never_late_and_less_than_one_early() {
        let ms = Duration::from_millis;
        for (latest, every, expected) in
            [(1_000, 1_000, 1_000), (1_999, 1_000, 1_000), (2_300, 500, 2_000), (700, 1_000, 0)]
        {
            assert_eq!(beat(ms(latest), ms(every)), ms(expected));
        }
        assert_eq!(beat(ms(700), Duration::ZERO), ms(700), "what is due all the time is due now");
    }
}
