use icefield_api::{Event, EventKind};

use super::State;

/// How many events are kept.
const KEPT: usize = 1_000;

/// How many events one command may add before the rest are counted instead of told.
const TOLD: usize = 20;

/// The events of one command, so that a command of a thousand changes does not push all others out.
#[derive(Debug)]
pub(crate) struct Telling {
    at: u64,
    told: Vec<(EventKind, String, String)>,
    untold: usize,
    last_kind: EventKind,
}

impl Telling {
    pub(super) fn new(at: u64) -> Self {
        Self { at, told: Vec::new(), untold: 0, last_kind: EventKind::Placement }
    }

    /// Adds an event; its words are made only if it will be told.
    pub(super) fn tell(&mut self, kind: EventKind, words: impl FnOnce() -> (String, String)) {
        self.last_kind = kind;
        if self.told.len() < TOLD {
            let (subject, message) = words();
            self.told.push((kind, subject, message));
        } else {
            self.untold += 1;
        }
    }
}

impl State {
    pub(super) fn tell_all(&mut self, telling: Telling) {
        let Telling { at, told, untold, last_kind } = telling;
        for (kind, subject, message) in told {
            self.tell(at, kind, subject, message);
        }
        if untold > 0 {
            self.tell(at, last_kind, "cluster".into(), format!("… and {untold} more"));
        }
    }

    pub(super) fn tell(&mut self, at: u64, kind: EventKind, subject: String, message: String) {
        self.last_event += 1;
        self.events.push_back(Event { number: self.last_event, at, kind, subject, message });
        while self.events.len() > KEPT {
            self.events.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_thousand_and_numbers_all() {
        let mut state = State::default();
        for at in 0..1_500 {
            state.tell(at, EventKind::Node, "node n1".into(), "joined".into());
        }
        assert_eq!(state.events.len(), 1_000);
        assert_eq!(state.events.front().unwrap().number, 501);
        assert_eq!(state.last_event, 1_500);
    }

    #[test]
    fn counts_what_is_too_much_to_tell() {
        let mut state = State::default();
        let mut telling = Telling::new(5);
        for index in 0..1_000 {
            telling.tell(EventKind::Placement, || (format!("web/{index}"), "placed".into()));
        }
        state.tell_all(telling);
        assert_eq!(state.events.len(), 21);
        assert_eq!(state.events.back().unwrap().message, "… and 980 more");
    }
}
