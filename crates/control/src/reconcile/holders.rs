use icefield_placement::{Change, ChangeKind};
use icefield_spec::{Millis, Name};

use super::{Config, health};
use crate::observe::Observations;
use crate::{Command, State};

/// A command for each singleton that its last holder surely runs no more, so that another node may have it.
///
/// That is sure if the node's agent says so, going by a generation that has it no more; or if the node was not promised
/// anything for so long that its supervisors have killed it by themselves. What earlier leaders have promised is over
/// the longest lease after this one came to lead.
pub(super) fn due(state: &State, seen: &Observations, config: &Config, now: u64) -> Vec<Command> {
    let mut commands = Vec::new();
    for (replica, node) in state.holders.iter() {
        if state.placed.get(replica).is_some_and(|assignment| assignment.node == *node) {
            continue;
        }
        let newest = state.nodes.get(node).map_or(0, |record| record.generation);
        let sight = seen.sight(node.as_str());
        let has_stopped =
            sight.is_some_and(|sight| sight.generation == newest && !sight.replicas.contains_key(replica));
        let reason = if has_stopped {
            "it has stopped it"
        } else if now >= config.surely_over(until(seen, config, node.as_str())) {
            "its lease has run out"
        } else {
            continue;
        };
        let (replica, node) = (replica.clone(), node.clone());
        commands.push(Command::Release { at: now, replica, node, reason: reason.into() });
    }
    commands
}

/// Until when a node may believe that it may run its singletons.
fn until(seen: &Observations, config: &Config, node: &str) -> u64 {
    seen.promised(node).max(seen.since().saturating_add(config.longest_lease.get()))
}

/// For how long `node`, which was just heard of, may run its singletons; noted as promised. `None` if nothing can be
/// promised: it goes by another generation than its newest, so it may be about to run what others have by now.
///
/// `state` must be confirmed after the node was heard of: else another server may lead, and wait from an earlier moment.
pub fn promise(state: &State, seen: &mut Observations, config: &Config, node: &Name, now: u64) -> Option<Millis> {
    let record = state.nodes.get(node).filter(|record| !record.lost)?;
    let current = seen.sight(node.as_str()).is_some_and(|sight| sight.generation == record.generation);
    if !current || !state.has_singletons(node.as_str()) {
        return None;
    }
    let lease = health::lease(seen, config, node.as_str(), now);
    seen.promise(node.as_str(), now.saturating_add(lease.get()));
    Some(lease)
}

/// What of `changes` may be done now: a singleton is taken from its node before it is given to another, and given only
/// once the last holder has given it up.
pub(super) fn permitted(state: &State, changes: Vec<Change>) -> Vec<Change> {
    let permitted = changes.into_iter().filter_map(|change| match &change.kind {
        ChangeKind::Move { from, .. } if state.is_singleton(&change.replica) => {
            let kind = ChangeKind::Remove { from: from.clone() };
            Some(Change { kind, ..change })
        }
        ChangeKind::Place { to } if state.holders.get(&change.replica).is_some_and(|node| *node != to.node) => None,
        _ => Some(change),
    });
    permitted.collect()
}

#[cfg(test)]
mod tests {
    use icefield_api::{Heartbeat, ReplicaState};

    use super::*;
    use crate::observe::sample::{heartbeat, report};
    use crate::state::sample::{Sample, name, replica, spec};

    /// A singleton that was on n1 and is placed nowhere.
    fn removed() -> Sample {
        let mut spec = spec(&["n1", "n2"], &[("web", "a", 1)]);
        spec.services.get_mut("web").unwrap().unit.singleton = true;
        let mut sample = Sample::with(&["n1", "n2"], &spec);
        sample.place("web/0", "n1");
        sample
    }

    fn released(sample: &Sample, seen: &Observations, now: u64) -> Option<String> {
        let command = due(&sample.state, seen, &Config::default(), now).pop()?;
        let Command::Release { reason, .. } = command else { panic!("{command:?}") };
        Some(reason)
    }

    fn hear(sample: &Sample, seen: &mut Observations, behind: u64, has_it: bool, now: u64) -> Option<Millis> {
        let replicas = has_it.then(|| report("web/0", "a", ReplicaState::Healthy, 0)).into_iter().collect();
        let generation = sample.generation("n1") - behind;
        seen.heartbeat(&name("n1"), Heartbeat { generation, ..heartbeat(replicas) }, now);
        promise(&sample.state, seen, &Config::default(), &name("n1"), now)
    }

    #[test]
    fn a_holder_that_says_so_has_given_it_up() {
        let mut sample = removed();
        let mut seen = Observations::new(0);
        assert_eq!(hear(&sample, &mut seen, 0, true, 10_000), Some(Millis::new(2_000)));
        assert_eq!(released(&sample, &seen, 10_100), None, "it is placed there");
        sample.remove("web/0");
        assert_eq!(hear(&sample, &mut seen, 1, false, 10_500), None, "it goes by what was before");
        assert_eq!(released(&sample, &seen, 10_500), None);
        assert_eq!(hear(&sample, &mut seen, 0, true, 10_600), None, "it has it no more");
        assert_eq!(released(&sample, &seen, 10_600), None, "and has not stopped it yet");
        hear(&sample, &mut seen, 0, false, 10_700);
        assert_eq!(released(&sample, &seen, 10_700).unwrap(), "it has stopped it");
    }

    #[test]
    fn a_silent_holder_has_given_it_up_when_all_that_was_promised_is_over() {
        let mut sample = removed();
        let mut seen = Observations::new(0);
        hear(&sample, &mut seen, 0, true, 10_000);
        sample.remove("web/0");
        assert_eq!(released(&sample, &seen, 12_619), None);
        assert_eq!(released(&sample, &seen, 12_620).unwrap(), "its lease has run out");
        let other = Observations::new(12_000);
        assert_eq!(released(&sample, &other, 18_619), None, "who knows what the leader before has promised");
        assert_eq!(released(&sample, &other, 18_620).unwrap(), "its lease has run out");
    }

    #[test]
    fn what_is_promised_is_never_longer_than_what_is_waited_for() {
        let sample = removed();
        let (mut seen, config) = (Observations::new(0), Config::default());
        let mut now = 0;
        for gap in [500, 3_000, 500, 9_000, 700, 500] {
            now += gap;
            let lease = hear(&sample, &mut seen, 0, true, now).unwrap();
            assert!(lease <= config.longest_lease);
            assert!(until(&seen, &config, "n1") >= now + lease.get());
        }
    }

    #[test]
    fn a_singleton_is_taken_away_before_it_is_given() {
        let mut sample = removed();
        let to = crate::state::sample::assignment("n2", "a");
        let kinds = |state: &State, kind| {
            let change = Change { replica: replica("web/0"), kind, reason: String::new() };
            permitted(state, vec![change]).into_iter().map(|change| change.kind).collect::<Vec<_>>()
        };
        let moved = kinds(&sample.state, ChangeKind::Move { from: name("n1"), to: to.clone() });
        assert_eq!(moved, [ChangeKind::Remove { from: name("n1") }]);
        sample.remove("web/0");
        assert_eq!(kinds(&sample.state, ChangeKind::Place { to: to.clone() }), []);
        let node = name("n1");
        sample.done(Command::Release { at: 0, replica: replica("web/0"), node, reason: String::new() });
        assert_eq!(kinds(&sample.state, ChangeKind::Place { to: to.clone() }), [ChangeKind::Place { to }]);
    }
}
