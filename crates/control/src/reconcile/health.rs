use icefield_api::EventKind;
use icefield_spec::{Millis, Name};

use super::Config;
use crate::State;
use crate::count::count;
use crate::observe::{Health, Observations};

/// Judges every node by how long it has been silent, and has `seen` remember it.
///
/// A node that is silent for half its lease is suspect, and for all of it gone: but if more than a third of the nodes
/// went silent together, they are held for a while, because then the network is likelier to have failed, or the server
/// that listens. After that they are let go a few at a time. An agent that said that it ends is gone at once.
pub(super) fn judge(state: &State, seen: &mut Observations, config: &Config, now: u64) {
    seen.listen(now);
    seen.measure_gaps(now);
    let silent = Silent::new(state, seen, config, now);
    let before = seen.health();
    let mut health = Health { batch: before.batch, ..Health::default() };
    for one in &silent.nodes {
        let node = one.node;
        health.suspects.insert(node.clone());
        let silence = || format!("not heard of for {}", Millis::new(one.silence));
        if one.leaving {
            health.gone.insert(node.clone(), "its agent has stopped what it had and ended".into());
        } else if !one.is_over() {
            continue;
        } else if silent.together(one, config) <= Config::at_once(silent.count) || before.gone.contains_key(node) {
            health.gone.insert(node.clone(), before.gone.get(node).cloned().unwrap_or_else(silence));
        } else {
            health.held.insert(node.clone(), before.held.get(node).copied().unwrap_or(now));
        }
    }
    let_go(&mut health, &silent, config, now);
    let told = tell(before, &health, silent.count, config);
    seen.set_health(health, now);
    if let Some(message) = told {
        seen.tell(EventKind::Node, "cluster".into(), message);
    }
}

/// The lease that a node has now: with what is usual in the fleet and for this server, so that one node need not learn
/// what others have shown.
pub(crate) fn lease(seen: &Observations, config: &Config, node: &str, now: u64) -> Millis {
    Millis::new(config.lease_for(every(seen, config), seen.gap(node, now).max(common(seen, config, now))))
}

/// The gap between heartbeats that is usual in the fleet; but at least what this server's own lateness comes to.
fn common(seen: &Observations, config: &Config, now: u64) -> u64 {
    seen.usual_gap().max(every(seen, config).get().saturating_add(seen.lateness(now)))
}

/// The time from one heartbeat of an agent to the next.
pub(crate) fn every(seen: &Observations, config: &Config) -> Millis {
    config.every(seen.sights().len())
}

/// One node that is silent and not lost yet.
struct One<'a> {
    node: &'a Name,
    silence: u64,
    lease: u64,
    leaving: bool,
}

impl One<'_> {
    fn is_over(&self) -> bool {
        self.silence >= self.lease
    }
}

/// All that is silent.
struct Silent<'a> {
    nodes: Vec<One<'a>>,
    /// The silences of these and of nodes that are lost already, rising.
    silences: Vec<u64>,
    /// How many nodes there are, without those that were lost before.
    count: usize,
}

impl<'a> Silent<'a> {
    fn new(state: &'a State, seen: &Observations, config: &Config, now: u64) -> Self {
        let (common, every) = (common(seen, config, now), every(seen, config));
        let mut silent = Self { nodes: Vec::new(), silences: Vec::new(), count: 0 };
        let mut lost = Vec::new();
        for (node, record) in state.nodes.iter().filter(|(_, record)| !record.removed) {
            let silence = seen.silence(node.as_str(), now);
            let lease = config.lease_for(every, seen.gap(node.as_str(), now).max(common));
            let sight = seen.sight(node.as_str());
            if record.lost {
                // What an earlier leader has lost may have been silent for long.
                lost.extend(sight.filter(|_| silence >= Config::suspect_after(lease)).map(|_| silence));
                continue;
            }
            silent.count += 1;
            let leaving = sight.is_some_and(|sight| sight.leaving);
            if leaving || silence >= Config::suspect_after(lease) {
                silent.nodes.push(One { node, silence, lease, leaving });
                silent.silences.extend((!leaving).then_some(silence));
            }
        }
        if let Some(longest) = silent.silences.iter().max() {
            let reach = longest.saturating_add(config.together.get());
            lost.retain(|silence| *silence <= reach);
            silent.count += lost.len();
            silent.silences.extend(lost);
        }
        silent.silences.sort_unstable();
        silent
    }

    /// How many nodes went silent together with `one`, itself included.
    fn together(&self, one: &One<'_>, config: &Config) -> usize {
        let within = config.together.get();
        let first = self.silences.partition_point(|silence| silence.saturating_add(within) < one.silence);
        let last = self.silences.partition_point(|silence| *silence <= one.silence.saturating_add(within));
        last - first
    }
}

/// Lets held nodes go whose time has come: no more at once than may go together, and each such batch some time after the
/// one before.
fn let_go(health: &mut Health, silent: &Silent<'_>, config: &Config, now: u64) {
    let hold_for = config.hold_for.get();
    let next = health.batch.map_or(0, |batch| batch.saturating_add(config.hold_step.get()));
    if now >= next {
        let mut due: Vec<(u64, Name)> = health.held.iter().map(|(node, since)| (*since, node.clone())).collect();
        due.retain(|(since, _)| now.saturating_sub(*since) >= hold_for);
        due.sort();
        due.truncate(Config::at_once(silent.count));
        if !due.is_empty() {
            health.batch = Some(now);
        }
        for (since, node) in due {
            health.held.remove(&node);
            let held = Millis::new(now.saturating_sub(since));
            health.gone.insert(node, format!("silent, and held for {held} because others were silent too"));
        }
    }
    match health.held.values().min() {
        None => health.batch = None,
        Some(since) => {
            let next = health.batch.map_or(0, |batch| batch.saturating_add(config.hold_step.get()));
            health.until = since.saturating_add(hold_for).max(next);
        }
    }
}

/// What to tell of a hold that begins or ends.
fn tell(before: &Health, after: &Health, nodes: usize, config: &Config) -> Option<String> {
    match (before.held.is_empty(), after.held.is_empty()) {
        (true, false) => {
            let names: Vec<&str> = after.held.keys().map(Name::as_str).collect();
            let (silent, hold_for) = (after.suspects.len(), config.hold_for);
            Some(format!(
                "{silent} of {} went silent together, which is likelier the network's doing than theirs: held for \
                 {hold_for}, not replaced: {}",
                count(nodes as u64, "node"),
                names.join(", ")
            ))
        }
        (false, true) => Some(match after.gone.len() {
            0 => "no node is held any more: they are heard of again".into(),
            gone => format!("no node is held any more; the last {} let go", if gone == 1 { "is" } else { "are" }),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use crate::observe::sample::heartbeat;
    use crate::state::sample::{Sample, name, spec};

    const NODES: [&str; 6] = ["n1", "n2", "n3", "n4", "n5", "n6"];

    struct Case {
        sample: Sample,
        seen: Observations,
        now: u64,
    }

    impl Case {
        fn new(nodes: &[&str]) -> Self {
            let mut case = Self { sample: Sample::with(nodes, &spec(nodes, &[])), seen: Observations::new(0), now: 0 };
            case.pass(3_000, nodes);
            case
        }

        /// Lets time pass in which these nodes are heard of twice a second; those that are to count as lost do.
        fn pass(&mut self, millis: u64, heard: &[&str]) {
            for _ in 0..millis / 100 {
                self.now += 100;
                if self.now.is_multiple_of(500) {
                    for node in heard {
                        self.seen.heartbeat(&name(node), heartbeat(vec![]), self.now);
                    }
                }
                judge(&self.sample.state, &mut self.seen, &Config::default(), self.now);
                for (node, reason) in self.seen.health().gone.clone() {
                    self.sample.done(Command::Lease { at: self.now, node, lost: true, reason });
                }
            }
        }

        fn lost(&self) -> Vec<&str> {
            let lost = self.sample.state.nodes.iter().filter(|(_, record)| record.lost);
            lost.map(|(node, _)| node.as_str()).collect()
        }

        fn suspects(&self) -> Vec<&str> {
            self.seen.health().suspects.iter().map(Name::as_str).collect()
        }

        fn held(&self) -> Vec<&str> {
            self.seen.health().held.keys().map(Name::as_str).collect()
        }
    }

    #[test]
    fn suspect_comes_before_lost() {
        let mut case = Case::new(&NODES);
        case.pass(900, &NODES[1..]);
        assert_eq!((case.suspects(), case.lost()), (vec![], vec![]));
        case.pass(100, &NODES[1..]);
        assert_eq!((case.suspects(), case.lost()), (vec!["n1"], vec![]));
        case.pass(900, &NODES[1..]);
        assert_eq!(case.lost(), [""; 0]);
        case.pass(100, &NODES[1..]);
        assert_eq!((case.suspects(), case.lost()), (vec!["n1"], vec!["n1"]));
        case.pass(100, &NODES[1..]);
        assert_eq!(case.suspects(), [""; 0], "a lost one is not suspect any more");
    }

    #[test]
    fn a_node_that_was_late_has_a_longer_lease_for_a_while() {
        let mut case = Case::new(&NODES);
        case.pass(1_500, &NODES[1..]);
        case.pass(500, &NODES);
        let lease = |case: &Case, node: &str| lease(&case.seen, &Config::default(), node, case.now).get();
        assert!(lease(&case, "n1") > 2_900, "{}", lease(&case, "n1"));
        assert_eq!(lease(&case, "n2"), 2_000, "one node says nothing of the others");
        case.pass(2_500, &NODES[1..]);
        assert_eq!((case.suspects(), case.lost()), (vec!["n1"], vec![]));
        case.pass(1_000, &NODES[1..]);
        assert_eq!(case.lost(), ["n1"]);
    }

    #[test]
    fn what_is_usual_in_the_fleet_goes_for_each() {
        let mut case = Case::new(&NODES);
        case.pass(1_500, &NODES[4..]);
        case.pass(500, &NODES);
        assert!(lease(&case.seen, &Config::default(), "n6", case.now).get() > 2_900);
    }

    #[test]
    fn a_third_is_replaced_and_more_is_held() {
        let mut case = Case::new(&NODES);
        case.pass(2_500, &NODES[2..]);
        assert_eq!((case.lost(), case.held()), (vec!["n1", "n2"], vec![]));
        case.pass(2_500, &NODES[3..]);
        assert_eq!((case.lost(), case.held()), (vec!["n1", "n2"], vec!["n3"]), "they belong together");
        case.pass(1_000, &NODES[2..]);
        assert_eq!((case.lost(), case.held()), (vec!["n1", "n2"], vec![]));
    }

    #[test]
    fn held_nodes_are_let_go_a_few_at_a_time() {
        let mut case = Case::new(&NODES);
        case.pass(5_000, &NODES[5..]);
        assert_eq!((case.lost(), case.held()), (vec![], NODES[..5].to_vec()));
        let health = case.seen.health();
        assert_eq!((health.held["n1"], health.until), (5_000, 35_000));
        case.pass(26_900, &NODES[5..]);
        assert_eq!(case.lost(), [""; 0]);
        case.pass(100, &NODES[5..]);
        assert_eq!(case.lost(), ["n1", "n2"]);
        assert_eq!(case.seen.health().until, 45_000);
        case.pass(9_900, &NODES[5..]);
        assert_eq!(case.lost(), ["n1", "n2"]);
        case.pass(100, &NODES[5..]);
        assert_eq!(case.lost(), NODES[..4]);
        case.pass(20_000, &NODES[5..]);
        assert_eq!((case.lost(), case.held()), (NODES[..5].to_vec(), vec![]));
    }

    #[test]
    fn a_hold_is_told_of_when_it_begins_and_when_it_ends() {
        let mut case = Case::new(&NODES);
        case.pass(5_000, &NODES[3..]);
        case.pass(1_000, &NODES);
        let Some(Command::Note { notes, .. }) = case.seen.take_notes(&case.sample.state, case.now) else { panic!() };
        let told: Vec<_> = notes.into_iter().map(|(_, _, message)| message).collect();
        assert_eq!(
            told,
            [
                "3 of 6 nodes went silent together, which is likelier the network's doing than theirs: held for 30s, not \
                 replaced: n1, n2, n3",
                "no node is held any more: they are heard of again",
            ]
        );
    }

    #[test]
    fn an_agent_that_ends_is_gone_at_once() {
        let mut case = Case::new(&NODES);
        for node in ["n1", "n2", "n3"] {
            let said = icefield_api::Heartbeat { leaving: true, ..heartbeat(vec![]) };
            case.seen.heartbeat(&name(node), said, case.now);
        }
        case.pass(100, &NODES[3..]);
        assert_eq!((case.lost(), case.held()), (NODES[..3].to_vec(), vec![]));
    }

    #[test]
    fn a_node_that_never_joined_is_not_missed() {
        let sample = Sample::with(&[], &spec(&["n1"], &[]));
        let mut seen = Observations::new(0);
        judge(&sample.state, &mut seen, &Config::default(), 1_000_000);
        assert_eq!(seen.health(), &Health::default());
    }
}
