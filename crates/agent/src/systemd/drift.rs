use std::collections::VecDeque;
use std::time::Duration;

use icefield_plan::ReplicaId;

use super::UnitOrder;
use crate::core::Moment;

/// What on the node was not as its generation says, and was put right.
#[derive(Debug, Default)]
pub(crate) struct Drift {
    /// When to look next, if there is anything to look at.
    due: Option<Moment>,
    found: VecDeque<(Moment, String)>,
}

impl Drift {
    /// How often the manager's folder is looked at.
    const EVERY: Duration = Duration::from_secs(5);
    /// For how long what was found is told.
    const TOLD_FOR: Duration = Duration::from_secs(600);
    /// How much of it is told at most.
    const TOLD: usize = 10;

    /// Whether it is time to look. Where no replica is a unit (`any`), it never is.
    pub(crate) fn is_due(&mut self, any: bool, now: Moment) -> bool {
        while self.found.front().is_some_and(|(at, _)| *at + Self::TOLD_FOR <= now) {
            self.found.pop_front();
        }
        if !any {
            self.due = None;
            return false;
        }
        let due = *self.due.get_or_insert(now + Self::EVERY) <= now;
        if due {
            self.due = Some(now + Self::EVERY);
        }
        due
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Option<Moment> {
        let forgotten = self.found.front().map(|(at, _)| *at + Self::TOLD_FOR);
        [self.due, forgotten].into_iter().flatten().min()
    }

    /// Puts the files of `id` right that are not as they are to be.
    pub(crate) fn heal(&mut self, id: &ReplicaId, units: &UnitOrder, now: Moment) {
        let folder = units.manager.unit_dir.display();
        match units.put(None) {
            Ok(changed) if changed.is_empty() => {}
            Ok(changed) => {
                units.manager.reload_soon();
                self.note(
                    format!(
                        "{id}: {} in {folder} was changed by someone, and is as declared again",
                        changed.join(", ")
                    ),
                    now,
                );
            }
            Err(error) => {
                let text =
                    format!("{id}: its units in {folder} were changed by someone, and cannot be put right: {error}");
                // It is found again each time.
                if self.found.iter().all(|(_, told)| *told != text) {
                    self.note(text, now);
                }
            }
        }
    }

    fn note(&mut self, text: String, now: Moment) {
        tracing::warn!("{text}");
        self.found.push_back((now, text));
        if self.found.len() > Self::TOLD {
            self.found.pop_front();
        }
    }

    /// What was found lately.
    pub(crate) fn told(&self) -> Vec<String> {
        self.found.iter().map(|(_, text)| text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_now_and_then_while_there_are_units_and_forgets_what_is_long_ago() {
        let mut drift = Drift::default();
        let at = Duration::from_secs;
        assert!(!drift.is_due(false, at(0)) && drift.next().is_none());
        assert!(!drift.is_due(true, at(1)));
        assert_eq!(drift.next(), Some(at(6)));
        assert!(drift.is_due(true, at(6)) && !drift.is_due(true, at(7)));
        drift.note("x".into(), at(7));
        assert!(!drift.is_due(false, at(8)));
        assert_eq!((drift.next(), drift.told()), (Some(at(607)), vec!["x".to_owned()]));
        assert!(!drift.is_due(false, at(607)) && drift.told().is_empty());
    }
}
