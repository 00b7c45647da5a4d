use icefield_api::Stale;
use icefield_spec::Millis;

/// Says of an answer that it may be out of date, and of when it is; a line. `now` is in milliseconds since 1970.
pub(crate) fn stale(stale: &Stale, now: u64) -> String {
    let heard = match stale.leader_heard {
        Some(heard) => {
            let seconds = now.saturating_sub(heard) / 1_000;
            format!("that server last heard of a leader {} ago", Millis::new(seconds * 1_000))
        }
        None => "that server has heard of no leader since it was started".to_owned(),
    };
    format!("This may be out of date: it is what one server has at version {}; {heard}.\n", stale.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_of_when_it_is() {
        let heard = |leader_heard| stale(&Stale { version: 7, leader_heard }, 65_400);
        assert!(
            heard(Some(1_000)).contains("version 7; that server last heard of a leader 64s ago"),
            "{}",
            heard(Some(1_000))
        );
        assert!(heard(None).contains("no leader since it was started"));
    }
}
