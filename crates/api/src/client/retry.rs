use std::time::{Duration, Instant};

/// When a request that was not answered is sent again: with pauses that grow, until its time is over.
#[derive(Debug)]
pub(super) struct Retry {
    until: Instant,
    pause: Duration,
}

impl Retry {
    /// The first pause.
    const FIRST: Duration = Duration::from_millis(50);
    /// The longest pause, unless a server asks for a longer one.
    const LONGEST: Duration = Duration::from_secs(1);

    /// For a request that may be sent again until then.
    pub(super) fn new(until: Instant) -> Self {
        Self { until, pause: Self::FIRST }
    }

    /// How long to wait before it is sent again, or `None` if its time is over. `asked` is the pause that a server asked for;
    /// `random`, from 0 to 1, keeps many clients from coming back together.
    pub(super) fn pause(&mut self, now: Instant, asked: Option<Duration>, random: f64) -> Option<Duration> {
        let pause = match asked {
            // Not before it is asked for.
            Some(asked) => asked.mul_f64(1.0 + random / 2.0),
            None => self.pause.mul_f64(0.5 + random / 2.0),
        };
        self.pause = (self.pause * 2).min(Self::LONGEST);
        (now + pause < self.until).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_time_is_over() {
        let mut now = Instant::now();
        let end = now + Duration::from_secs(10);
        let mut retry = Retry::new(end);
        let mut pauses = Vec::new();
        while let Some(pause) = retry.pause(now, None, 1.0) {
            now += pause;
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses[..6], [50, 100, 200, 400, 800, 1_000]);
        assert!(now <= end && pauses.len() < 20);
        assert_eq!(Retry::new(now).pause(now, None, 0.0), None);
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept() {
        let now = Instant::now();
        let asked = Some(Duration::from_secs(1));
        let mut retry = Retry::new(now + Duration::from_secs(10));
        assert_eq!(retry.pause(now, asked, 0.0), asked);
        assert_eq!(retry.pause(now, asked, 1.0), Some(Duration::from_millis(1_500)));
        assert_eq!(Retry::new(now + Duration::from_millis(900)).pause(now, asked, 0.0), None);
    }
}
