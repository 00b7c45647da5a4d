use icefield_api::{EventKind, RebalanceStatus};
use icefield_placement::{Change, ChangeKind};
use serde::{Deserialize, Serialize};

use super::events::Telling;
use super::{Effect, RebalanceStep, State};
use crate::count::count;

/// A better layout that is being carried out, a few moves at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebalance {
    /// When it was started, in milliseconds since 1970.
    pub started: u64,
    /// How many replicas it is to move.
    pub moves: u32,
    /// How many it has moved.
    pub done: u32,
    /// What is yet to be done: of replicas that are where they were at the start.
    pub left: Vec<Change>,
}

impl Rebalance {
    /// How far it is.
    pub fn status(&self) -> RebalanceStatus {
        let left = u32::try_from(self.left.len()).unwrap_or(u32::MAX);
        RebalanceStatus { started: self.started, moves: self.moves, left }
    }
}

/// What its events are of.
const SUBJECT: &str = "rebalance";

impl State {
    pub(super) fn rebalance(&mut self, at: u64, step: RebalanceStep) -> Result<Effect, String> {
        match step {
            RebalanceStep::Start { seen, changes } => self.start_rebalance(at, seen, changes),
            RebalanceStep::End { reason } => {
                let mut telling = Telling::new(at);
                let ended = self.end_rebalance(&reason, &mut telling);
                self.tell_all(telling);
                Ok(if ended { Effect::Noted } else { Effect::Nothing })
            }
        }
    }

    fn start_rebalance(&mut self, at: u64, seen: u64, changes: Vec<Change>) -> Result<Effect, String> {
        if self.rebalance.is_some() {
            return Err("another rebalancing is under way; let it end or stop it first".into());
        }
        self.check_basis(seen)?;
        self.check(&changes)?;
        if let Some(change) = changes.iter().find(|change| !is_step(change)) {
            return Err(format!("{} would be changed where it is, which is not a matter of layout", change.replica));
        }
        if changes.is_empty() {
            return Ok(Effect::Nothing);
        }
        let moves = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        self.rebalance = Some(Rebalance { started: at, moves, done: 0, left: changes });
        let message = format!("started: {}", count(u64::from(moves), "move"));
        self.tell(at, EventKind::Placement, SUBJECT.into(), message);
        Ok(Effect::Noted)
    }

    /// Drops what is done and what the placement has overtaken.
    pub(super) fn follow_rebalance(&mut self, telling: &mut Telling) {
        let Some(rebalance) = &mut self.rebalance else { return };
        let placed = &self.placed;
        rebalance.left.retain(|change| {
            let node = placed.get(&change.replica).map(|assignment| &assignment.node);
            let (from, to) = match &change.kind {
                ChangeKind::Place { to } => (None, to),
                ChangeKind::Move { from, to } => (Some(from), to),
                ChangeKind::Replace { .. } | ChangeKind::Remove { .. } => return false,
            };
            rebalance.done += u32::from(node == Some(&to.node));
            node == from
        });
        if rebalance.left.is_empty() {
            let message = match (rebalance.done, rebalance.moves) {
                (done, moves) if done == moves => format!("done: {}", count(u64::from(moves), "move")),
                (done, moves) => format!("done: {done} of {moves} moves; the others had become needless"),
            };
            self.rebalance = None;
            telling.tell(EventKind::Placement, || (SUBJECT.into(), message));
        }
    }

    /// Ends what is under way; whether anything was.
    pub(super) fn end_rebalance(&mut self, reason: &str, telling: &mut Telling) -> bool {
        let Some(rebalance) = self.rebalance.take() else { return false };
        let (left, moves) = (rebalance.left.len(), rebalance.moves);
        telling.tell(EventKind::Placement, || {
            (SUBJECT.into(), format!("ended with {left} of {moves} moves undone: {reason}"))
        });
        true
    }
}

/// Whether a change is one that only chooses a node.
fn is_step(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::Place { .. } | ChangeKind::Move { .. })
}

#[cfg(test)]
mod tests {
    use icefield_placement::{Assignment, Change, ChangeKind};

    use crate::state::sample::{Sample, assignment, name, replica, spec};
    use crate::state::{Applied, Command, RebalanceStep};

    const NODES: [&str; 3] = ["n1", "n2", "n3"];

    fn to_n3(text: &str, from: &str) -> Change {
        let to: Assignment = assignment("n3", "a");
        Change { replica: replica(text), kind: ChangeKind::Move { from: name(from), to }, reason: "better".into() }
    }

    fn start(sample: &mut Sample, changes: Vec<Change>) -> Applied {
        let seen = sample.state.version;
        sample.command(Command::Rebalance { at: 5, step: RebalanceStep::Start { seen, changes } })
    }

    fn started() -> Sample {
        let mut sample = Sample::with(&NODES, &spec(&NODES, &[("web", "a", 3)]));
        for (text, node) in [("web/0", "n1"), ("web/1", "n1"), ("web/2", "n2")] {
            sample.place(text, node);
        }
        let applied = start(&mut sample, vec![to_n3("web/0", "n1"), to_n3("web/2", "n2")]);
        assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
        sample
    }

    fn place(sample: &mut Sample, change: Change) {
        let seen = sample.state.version;
        sample.done(Command::Place { at: 6, seen, changes: vec![change] });
    }

    #[test]
    fn is_done_when_all_have_moved() {
        let mut sample = started();
        assert_eq!(sample.last_message(), "started: 2 moves");
        let basis = sample.state.basis;
        assert!(basis < sample.state.version, "it changes nothing yet that placement is decided from");
        place(&mut sample, to_n3("web/2", "n2"));
        let status = sample.state.rebalance.as_ref().unwrap().status();
        assert_eq!((status.moves, status.left, status.started), (2, 1, 5));
        place(&mut sample, to_n3("web/0", "n1"));
        assert_eq!((sample.last_message().as_str(), &sample.state.rebalance), ("done: 2 moves", &None));
    }

    #[test]
    fn what_the_placement_has_overtaken_is_dropped() {
        let mut sample = started();
        sample.remove("web/2");
        assert_eq!(sample.state.rebalance.as_ref().unwrap().left.len(), 1);
        place(&mut sample, to_n3("web/0", "n1"));
        assert_eq!(sample.last_message(), "done: 1 of 2 moves; the others had become needless");
    }

    #[test]
    fn another_spec_ends_it() {
        let mut sample = started();
        sample.apply(&spec(&NODES, &[("web", "a", 2)]));
        assert_eq!(sample.state.rebalance, None);
        assert_eq!(sample.last_message(), "ended with 2 of 2 moves undone: another spec was put in force");
        let end = || Command::Rebalance { at: 7, step: RebalanceStep::End { reason: "stopped".into() } };
        assert!(matches!(sample.command(end()), Applied::Unchanged(_)));
    }

    #[test]
    fn refuses_a_second_one_and_what_no_longer_fits() {
        let mut sample = started();
        let refused = |applied| match applied {
            Applied::Refused(reason) => reason,
            other => panic!("{other:?}"),
        };
        let second = start(&mut sample, vec![to_n3("web/1", "n1")]);
        assert!(refused(second).starts_with("another rebalancing is under way"));
        sample.done(Command::Rebalance { at: 7, step: RebalanceStep::End { reason: "stopped".into() } });
        assert_eq!(sample.last_message(), "ended with 2 of 2 moves undone: stopped");
        assert!(refused(start(&mut sample, vec![to_n3("web/1", "n2")])).contains("is on n1, not on n2"));
        let replace = Change { kind: ChangeKind::Replace { to: assignment("n1", "a") }, ..to_n3("web/1", "n1") };
        assert!(refused(start(&mut sample, vec![replace])).contains("not a matter of layout"));
        let late = RebalanceStep::Start { seen: 1, changes: vec![to_n3("web/1", "n1")] };
        assert!(refused(sample.command(Command::Rebalance { at: 8, step: late })).contains("make them again"));
    }
}
