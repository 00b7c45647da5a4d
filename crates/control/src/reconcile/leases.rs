use icefield_spec::Millis;

use super::Config;
use crate::observe::Observations;
use crate::{Command, State};

/// A command for each node whose lease has run out, and for each lost one that is heard of again.
pub(super) fn due(state: &State, seen: &Observations, config: &Config, now: u64) -> Vec<Command> {
    let lease = config.lease.get();
    let due = state.nodes.iter().filter_map(|(node, record)| {
        let (lost, reason) = if record.lost {
            // Only what was really heard brings a node back, not that a new leader gives it time.
            let sight = seen.sight(node.as_str())?;
            if now.saturating_sub(sight.at) >= lease {
                return None;
            }
            (false, String::new())
        } else {
            let silent = now.saturating_sub(seen.heard_or_excused(node.as_str()));
            if silent < lease {
                return None;
            }
            (true, format!("not heard of for {}", Millis::new(silent)))
        };
        Some(Command::Lease { at: now, node: node.clone(), lost, reason })
    });
    due.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sample::heartbeat;
    use crate::state::sample::{Sample, name, spec};

    const CONFIG: Config = Config { lease: Millis::new(1_000) };

    fn lost(sample: &Sample, seen: &Observations, now: u64) -> Vec<(String, bool)> {
        let commands = due(&sample.state, seen, &CONFIG, now).into_iter();
        let leases = commands.map(|command| match command {
            Command::Lease { node, lost, .. } => (node.to_string(), lost),
            other => panic!("{other:?}"),
        });
        leases.collect()
    }

    #[test]
    fn runs_out_at_its_very_end() {
        let sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[]));
        let mut seen = Observations::new(5_000);
        seen.heartbeat(&name("n2"), heartbeat(vec![]), 5_500);
        assert_eq!(lost(&sample, &seen, 5_999), []);
        assert_eq!(lost(&sample, &seen, 6_000), [("n1".to_owned(), true)]);
        assert_eq!(lost(&sample, &seen, 6_500), [("n1".to_owned(), true), ("n2".to_owned(), true)]);
    }

    #[test]
    fn a_lost_node_returns_when_it_is_heard_and_not_when_the_leader_changes() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        sample.done(Command::Lease { at: 0, node: name("n1"), lost: true, reason: String::new() });
        let mut seen = Observations::new(9_000);
        assert_eq!(lost(&sample, &seen, 9_001), []);
        seen.heartbeat(&name("n1"), heartbeat(vec![]), 9_500);
        assert_eq!(lost(&sample, &seen, 9_600), [("n1".to_owned(), false)]);
        assert_eq!(lost(&sample, &seen, 10_500), [], "that was too long ago");
    }

    #[test]
    fn a_node_that_never_joined_has_no_lease() {
        let sample = Sample::with(&[], &spec(&["n1"], &[]));
        assert_eq!(lost(&sample, &Observations::new(0), 1_000_000), []);
    }
}
