use serde::{Deserialize, Serialize};

use super::{Author, Command, Fingerprint};

/// Which request a command comes from, so that one that arrives twice is carried out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Of the key that its sender gave it.
    pub key: Fingerprint,
    /// Of what it asks for.
    pub content: Fingerprint,
    /// Its date in milliseconds: since 1970 by the clock of the first leader, and on by the time in which there was one.
    pub at: u64,
}

/// A command with what must be known of where it comes from, as the log carries both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The command.
    #[serde(flatten)]
    pub command: Command,
    /// The request; `None` if the command comes from the leader itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Who asked for it, for the audit log; `None` if nobody in particular did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
}

impl From<Command> for Proposal {
    fn from(command: Command) -> Self {
        Self { command, request: None, author: None }
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::EventKind;

    use super::*;
    use crate::state::sample::{Sample, name, spec};
    use crate::state::{Applied, Expected, Outdated};

    fn again(proposal: &Proposal) -> Proposal {
        serde_json::from_str(&serde_json::to_string(proposal).unwrap()).unwrap()
    }

    #[test]
    fn an_entry_of_before_there_were_requests_is_understood() {
        let old = r#"{"command":"note","at":3,"notes":[["leader","server s1","s1 leads now"]]}"#;
        let notes = vec![(EventKind::Leader, "server s1".to_owned(), "s1 leads now".to_owned())];
        let command = Command::Note { at: 3, notes };
        assert_eq!(
            serde_json::from_str::<Proposal>(old).unwrap(),
            Proposal { command: command.clone(), request: None, author: None }
        );
        assert_eq!(serde_json::to_string(&Proposal::from(command)).unwrap(), old);
        let apply = Command::Apply { at: 1, spec: Box::new(spec(&["n1"], &[("web", "a", 2)])), expect: None };
        let old = serde_json::to_string(&apply).unwrap();
        assert!(!old.contains("expect"));
        assert_eq!(serde_json::from_str::<Proposal>(&old).unwrap(), apply.into());
    }

    fn note(key: &str, text: &str) -> Proposal {
        let of = |text: &str| Fingerprint::of([text.as_bytes()]);
        let command = Command::Note { at: 1, notes: vec![(EventKind::Note, "operator".into(), text.into())] };
        Proposal { command, request: Some(Request { key: of(key), content: of(text), at: 1 }), author: None }
    }

    #[test]
    fn is_carried_out_once_and_gets_the_first_answer_also_after_a_snapshot() {
        let mut sample = Sample::default();
        let first = sample.command(note("k", "deploying 42"));
        assert_eq!(first, Applied::Done(1));
        sample.command(note("l", "deploying 43"));
        let before = sample.state.clone();
        assert_eq!(sample.command(note("k", "deploying 42")), first);
        assert_eq!(sample.state, before);
        sample.state = serde_json::from_str(&serde_json::to_string(&sample.state).unwrap()).unwrap();
        assert_eq!(sample.state, before);
        assert_eq!(sample.command(note("k", "deploying 42")), first);
        assert_eq!(sample.command(note("k", "something else")), Applied::KeyReused);
        assert_eq!(sample.state, before);
        assert_eq!(sample.state.events.len(), 2);
    }

    #[test]
    fn a_refusal_is_the_answer_to_its_repetitions_unless_it_is_that_a_plan_is_outdated() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        let request =
            |key: &str| Some(Request { key: Fingerprint::of([key.as_bytes()]), ..note(key, "").request.unwrap() });
        let drain = Command::Node { at: 1, node: name("n2"), action: icefield_api::NodeAction::Drain };
        let drain = Proposal { command: drain, request: request("drain"), author: None };
        let refused = sample.command(drain.clone());
        assert!(matches!(refused, Applied::Refused(_)));
        sample.register("n2", "10.0.0.2");
        assert_eq!(sample.command(drain), refused);

        let next = spec(&["n1"], &[("web", "a", 1)]);
        let apply = |basis| {
            let expect = Some(Expected { spec: Some(spec(&["n1"], &[]).revision()), basis: Some(basis) });
            Proposal {
                command: Command::Apply { at: 1, spec: Box::new(next.clone()), expect },
                request: request("apply"),
                author: None,
            }
        };
        assert_eq!(sample.command(apply(0)), Applied::Outdated(Outdated::Basis));
        let applied = sample.command(apply(sample.state.basis));
        assert!(matches!(applied, Applied::Done(_)));
        assert_eq!(sample.command(apply(0)), applied);
    }

    #[test]
    fn a_request_travels_with_its_command() {
        let command = Command::Apply { at: 1, spec: Box::new(spec(&["n1"], &[("web", "a", 2)])), expect: None };
        let of = |text: &str| Fingerprint::of([text.as_bytes()]);
        let proposal =
            Proposal { command, request: Some(Request { key: of("k"), content: of("c"), at: 5 }), author: None };
        assert_eq!(again(&proposal), proposal);
    }
}
