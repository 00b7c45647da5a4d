use icefield_api::EventKind;

use super::{Effect, State};

impl State {
    pub(super) fn note(&mut self, at: u64, notes: Vec<(EventKind, String, String)>) -> Effect {
        if notes.is_empty() {
            return Effect::Nothing;
        }
        for (kind, subject, message) in notes {
            self.tell(at, kind, subject, message);
        }
        Effect::Noted
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::EventKind;

    use crate::state::sample::{Sample, spec};
    use crate::state::{Applied, Command};

    #[test]
    fn is_remembered_and_moves_no_basis() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        let basis = sample.state.basis;
        let note = (EventKind::Replica, "web/0".to_owned(), "failed".to_owned());
        sample.done(Command::Note { at: 3, notes: vec![note] });
        assert_eq!(sample.last_message(), "failed");
        assert_eq!(sample.state.basis, basis);
        assert!(sample.state.version > basis);
        assert!(matches!(sample.command(Command::Note { at: 3, notes: Vec::new() }), Applied::Unchanged(_)));
    }
}
