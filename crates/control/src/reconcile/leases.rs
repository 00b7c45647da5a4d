use super::{Config, lease};
use crate::observe::Observations;
use crate::state::NodeRecord;
use crate::{Command, State};

/// A command for each node that is to count as lost now, and for each lost one that is back: see [`super::health`].
pub(super) fn due(state: &State, seen: &Observations, config: &Config, now: u64) -> Vec<Command> {
    let gone = &seen.health().gone;
    let due = state.nodes.iter().filter_map(|(node, record)| {
        let (lost, reason) = if record.lost {
            (false, returned(state, seen, config, node.as_str(), record, now).then(String::new)?)
        } else {
            (true, gone.get(node)?.clone())
        };
        Some(Command::Lease { at: now, node: node.clone(), lost, reason })
    });
    due.collect()
}

/// Whether a lost node is back: it is heard of, has taken up its newest generation, and has stopped all that is no
/// longer its own. Before that it gets nothing new, and nothing runs twice for longer than it must.
fn returned(state: &State, seen: &Observations, config: &Config, node: &str, record: &NodeRecord, now: u64) -> bool {
    // Only what was really heard brings a node back, not that a new leader gives it time.
    let Some(sight) = seen.sight(node).filter(|sight| !sight.leaving && !record.removed) else { return false };
    let here = seen.silence(node, now) < Config::suspect_after(lease(seen, config, node, now).get());
    let current = record.hash.is_none() || sight.generation == record.generation;
    let own = |replica| state.placed.get(replica).is_some_and(|assignment| assignment.node.as_str() == node);
    here && current && sight.replicas.keys().all(own)
}

#[cfg(test)]
mod tests {
    use icefield_api::{Heartbeat, ReplicaState};

    use super::*;
    use crate::observe::sample::{heartbeat, report};
    use crate::state::sample::{Sample, name, spec};

    fn returns(sample: &Sample, seen: &Observations, now: u64) -> bool {
        let commands = due(&sample.state, seen, &Config::default(), now);
        assert!(commands.iter().all(|command| matches!(command, Command::Lease { lost: false, .. })), "{commands:?}");
        !commands.is_empty()
    }

    #[test]
    fn a_lost_node_returns_when_it_is_heard_and_not_when_the_leader_changes() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        sample.done(Command::Lease { at: 0, node: name("n1"), lost: true, reason: String::new() });
        let mut seen = Observations::new(9_000);
        assert!(!returns(&sample, &seen, 9_001));
        seen.heartbeat(&name("n1"), heartbeat(vec![]), 9_500);
        assert!(returns(&sample, &seen, 9_600));
        assert!(!returns(&sample, &seen, 10_500), "that was too long ago");
    }

    #[test]
    fn a_lost_node_returns_only_once_it_has_nothing_that_is_not_its_own() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 1)]));
        sample.place("web/0", "n1");
        sample.done(Command::Lease { at: 0, node: name("n1"), lost: true, reason: String::new() });
        sample.remove("web/0");
        let newest = sample.generation("n1");
        let web = || vec![report("web/0", "a", ReplicaState::Stopping, 0)];
        let cases = [(newest - 1, vec![]), (newest - 1, web()), (newest, web()), (newest, vec![])];
        let returned = cases.map(|(generation, replicas)| {
            let mut seen = Observations::new(9_000);
            seen.heartbeat(&name("n1"), Heartbeat { generation, ..heartbeat(replicas) }, 9_100);
            returns(&sample, &seen, 9_200)
        });
        assert_eq!(returned, [false, false, false, true]);
    }
}
