use icefield_api::HistoryEntry;
use icefield_spec::{Revision, Spec};
use serde::{Deserialize, Serialize};

use super::State;
use crate::count::count;

/// What a spec was planned against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The revision of the spec in force; `None` if there is to be none yet.
    pub spec: Option<Revision>,
    /// The state's basis, if nothing that placement is decided from may have changed.
    pub basis: Option<u64>,
}

/// What is not as it was planned against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outdated {
    /// Another spec is in force; a line for each that came in between.
    Spec(Vec<String>),
    /// Something that placement is decided from has changed; whether the plan is another one now is yet to be seen.
    Basis,
}

impl State {
    /// What is not as `spec` was planned against, at time `now`. A spec that is in force already is never outdated:
    /// it changes nothing.
    pub(crate) fn outdated(&self, now: u64, spec: &Spec, expected: Option<Expected>) -> Option<Outdated> {
        let Expected { spec: expected, basis } = expected?;
        if self.spec.as_deref() == Some(spec) {
            return None;
        }
        if self.history.back().map(|entry| entry.revision) != expected {
            return Some(Outdated::Spec(self.applied_since(now, expected)));
        }
        basis.filter(|basis| *basis != self.basis).map(|_| Outdated::Basis)
    }

    /// The specs that were put in force after the one with this revision, newest last, a line each.
    fn applied_since(&self, now: u64, revision: Option<Revision>) -> Vec<String> {
        /// How many of them are told of.
        const TOLD: usize = 10;
        let last = self.history.iter().rposition(|entry| Some(entry.revision) == revision);
        let since = self.history.iter().skip(last.map_or(0, |last| last + 1));
        let untold = since.clone().count().saturating_sub(TOLD);
        let mut lines: Vec<String> = since.skip(untold).map(|entry| line(now, entry)).collect();
        if untold > 0 {
            lines.insert(0, format!("{} before these", count(untold as u64, "spec")));
        }
        lines
    }
}

fn line(now: u64, entry: &HistoryEntry) -> String {
    let HistoryEntry { version, revision, at, changed, more_changed } = entry;
    let ago = ago(now, *at);
    let mut names = changed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if *more_changed > 0 {
        names.push_str(&format!(" and {more_changed} more"));
    }
    let what = match changed.len() {
        0 => "no service differs".to_owned(),
        1 if *more_changed == 0 => format!("service {names} differs"),
        _ => format!("services {names} differ"),
    };
    format!("spec {} was put in force {ago} (version {version}): {what}", revision.short())
}

/// How long before `now` something was, in words.
pub(crate) fn ago(now: u64, at: u64) -> String {
    let seconds = now.saturating_sub(at) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::NodeAction;
    use icefield_spec::Spec;

    use super::*;
    use crate::state::sample::{Sample, name, spec};
    use crate::state::{Applied, Command};

    const NODES: [&str; 2] = ["n1", "n2"];

    fn web(version: &str) -> Spec {
        spec(&NODES, &[("web", version, 2)])
    }

    fn apply(sample: &mut Sample, spec: &Spec, expected: Expected) -> Applied {
        sample.command(Command::Apply { at: 60_000, spec: Box::new(spec.clone()), expect: Some(expected) })
    }

    fn on(spec: Option<&Spec>) -> Expected {
        Expected { spec: spec.map(Spec::revision), basis: None }
    }

    #[test]
    fn a_spec_that_was_planned_against_another_is_refused_and_told_what_came_between() {
        let mut sample = Sample::with(&NODES, &web("a"));
        sample.apply(&web("b"));
        sample.apply(&spec(&NODES, &[("web", "b", 2), ("api", "a", 1)]));
        let before = sample.state.clone();
        match apply(&mut sample, &web("c"), on(Some(&web("a")))) {
            Applied::Outdated(Outdated::Spec(lines)) => {
                assert_eq!(lines.len(), 2, "{lines:?}");
                assert!(lines[0].starts_with(&format!("spec {} was put in force ", web("b").revision().short())));
                assert!(lines[0].ends_with("(version 4): service web differs"), "{lines:?}");
                assert!(lines[1].ends_with("(version 5): service api differs"), "{lines:?}");
            }
            applied => panic!("{applied:?}"),
        }
        assert_eq!(sample.state, before);
        let now = spec(&NODES, &[("web", "b", 2), ("api", "a", 1)]);
        assert!(matches!(apply(&mut sample, &web("c"), on(Some(&now))), Applied::Done(_)));
    }

    #[test]
    fn that_there_is_none_yet_may_be_expected() {
        let mut sample = Sample::default();
        assert!(matches!(apply(&mut sample, &web("b"), on(Some(&web("a")))), Applied::Outdated(_)));
        assert!(matches!(apply(&mut sample, &web("a"), on(None)), Applied::Done(_)));
        assert!(
            matches!(apply(&mut sample, &web("b"), on(None)), Applied::Outdated(Outdated::Spec(lines)) if lines.len() == 1)
        );
    }

    #[test]
    fn what_is_in_force_already_is_not_outdated() {
        let mut sample = Sample::with(&NODES, &web("a"));
        assert!(matches!(apply(&mut sample, &web("a"), on(None)), Applied::Unchanged(_)));
    }

    #[test]
    fn a_change_of_the_basis_is_noticed_only_if_that_is_asked_for() {
        let mut sample = Sample::with(&NODES, &web("a"));
        let then = Expected { basis: Some(sample.state.basis), ..on(Some(&web("a"))) };
        sample
            .done(Command::Note { at: 3, notes: vec![(icefield_api::EventKind::Note, "operator".into(), "x".into())] });
        assert_eq!(sample.state.clone().outdated(9, &web("b"), Some(then)), None, "a note changes no plan");
        sample.done(Command::Node { at: 4, node: name("n1"), action: NodeAction::Cordon });
        assert_eq!(apply(&mut sample, &web("b"), then), Applied::Outdated(Outdated::Basis));
        assert!(matches!(apply(&mut sample, &web("b"), on(Some(&web("a")))), Applied::Done(_)));
    }

    #[test]
    fn many_specs_are_counted() {
        let mut sample = Sample::with(&NODES, &web("a"));
        for number in 0..30 {
            sample.apply(&web(&number.to_string()));
        }
        match apply(&mut sample, &web("x"), on(Some(&web("a")))) {
            Applied::Outdated(Outdated::Spec(lines)) => {
                assert_eq!((lines.len(), lines[0].as_str()), (11, "20 specs before these"));
            }
            applied => panic!("{applied:?}"),
        }
    }

    #[test]
    fn says_how_long_ago() {
        assert_eq!(ago(5_000, 9_000), "0 s ago");
        assert_eq!(ago(100_000, 1_000), "99 s ago");
        assert_eq!(ago(600_000, 0), "10 min ago");
        assert_eq!(ago(100_000_000, 0), "27 h ago");
    }
}
