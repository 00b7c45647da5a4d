/// Dates requests, which are remembered for a while: by how much time has passed while this server leads, and on from the date
/// that the newest remembered one has. So a leader whose clock is ahead of the one before it forgets nothing early.
#[derive(Debug, Default)]
pub(crate) struct Dates {
    begin: Option<Begin>,
}

/// The first date of a term.
#[derive(Debug, Clone, Copy)]
struct Begin {
    term: u64,
    date: u64,
    /// When that was given, by this server's clock.
    at: u64,
}

impl Dates {
    /// The date that it is at `now`, if one was given in this term before.
    pub(crate) fn date(&self, term: u64, now: u64) -> Option<u64> {
        let begin = self.begin.filter(|begin| begin.term == term)?;
        Some(begin.date.saturating_add(now.saturating_sub(begin.at)))
    }

    /// The same, where a term begins with the date `newest`; there it is `now` if nothing is remembered.
    pub(crate) fn begin(&mut self, term: u64, newest: Option<u64>, now: u64) -> u64 {
        self.date(term, now).unwrap_or_else(|| {
            let date = newest.unwrap_or(now);
            self.begin = Some(Begin { term, date, at: now });
            date
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_go_on_by_the_time_that_passes_and_not_by_what_clocks_say() {
        let (mut first, mut ahead) = (Dates::default(), Dates::default());
        assert_eq!(first.begin(1, None, 5_000), 5_000);
        assert_eq!(first.date(1, 7_000), Some(7_000));
        // The next leader's clock is an hour ahead, and it leads twice.
        assert_eq!(ahead.date(2, 3_607_000), None);
        assert_eq!(ahead.begin(2, Some(7_000), 3_607_000), 7_000);
        assert_eq!(ahead.date(2, 3_608_000), Some(8_000));
        assert_eq!(ahead.begin(2, Some(0), 3_609_000), 9_000, "the term has begun");
        assert_eq!(first.begin(3, Some(9_000), 1_000), 9_000, "a clock that is behind");
        assert_eq!(ahead.date(4, 9_999_999), None);
        assert_eq!(ahead.begin(4, Some(9_500), 9_999_999), 9_500);
    }
}
