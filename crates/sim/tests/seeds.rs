//! Seeds that are run each time, and runs that must fail.

use std::io::Write;
use std::thread::available_parallelism;

use icefield_sim::{Outcome, Setup, Tally, run};

/// How many seeds are run each time.
const SEEDS: u64 = 1_000;

fn threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[test]
fn whatever_fails_no_invariant_is_broken() {
    let tally = Tally::of(0..SEEDS, Setup::default(), threads());
    let hours = tally.virtual_ms as f64 / 3_600e3;
    let said =
        format!("{} seeds, {hours:.1} virtual hours, {} commits, {:?}", tally.seeds, tally.commits, tally.faults);
    // Not captured: how many were run is to be seen each time.
    writeln!(std::io::stderr(), "{said}").unwrap();
    assert_eq!(tally.seeds, SEEDS);
    let failures: Vec<String> = tally.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {SEEDS} seeds failed\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..10 {
        let [one, other]: [Outcome; 2] = std::array::from_fn(|_| run(seed, Setup::default()));
        assert_eq!(one, other);
    }
    assert_ne!(run(0, Setup::default()).trace, run(1, Setup::default()).trace);
}

/// Runs seeds until one fails, and that one again; says which invariants were broken.
fn broken(setup: Setup) -> Vec<&'static str> {
    let hundreds = (0..10).map(|number| Tally::of(number * 100..(number + 1) * 100, setup, threads()));
    let tally = hundreds.into_iter().find(|tally| !tally.failures.is_empty());
    let tally = tally.expect("a broken world is seen to be broken");
    let first = &tally.failures[0];
    let again = run(first.seed, setup);
    assert_eq!(*first, again, "it replays identically");
    assert!(first.to_string().contains(&format!("--from {}", first.seed)), "{first}");
    let mut broken: Vec<_> = tally.failures.iter().flat_map(|outcome| &outcome.failure).collect();
    broken.sort_by_key(|failure| failure.invariant);
    broken.dedup_by_key(|failure| failure.invariant);
    broken.iter().map(|failure| failure.invariant).collect()
}

#[test]
fn disks_that_sync_nothing_are_found_out() {
    // Which invariant is the first to be broken depends on what was lost.
    assert!(!broken(Setup { honest_disks: false, ..Setup::default() }).is_empty());
}

#[test]
fn servers_that_read_without_asking_whether_they_still_lead_are_found_out() {
    let broken = broken(Setup { confirmed_reads: false, ..Setup::default() });
    assert!(broken.contains(&"reads are linearizable"), "{broken:?}");
}

#[test]
fn servers_that_promise_longer_leases_than_they_wait_for_are_found_out() {
    let broken = broken(Setup { kept_promises: false, ..Setup::default() });
    assert!(broken.contains(&"one holder of a singleton's lease"), "{broken:?}");
}

#[test]
fn agents_that_say_too_early_that_all_is_well_are_found_out() {
    let broken = broken(Setup { honest_agents: false, ..Setup::default() });
    assert!(broken.contains(&"no more nodes of a base are changed at once than may be"), "{broken:?}");
}
