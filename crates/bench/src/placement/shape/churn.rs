//! Replicas in batches; between two of them a node is lost, the one that was lost before is taken out, another is added, a
//! service is scaled, and now and then one is removed.

use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::Acceptance;

use super::basic;
use super::batches::{Batches, asked};
use crate::placement::fleet::{host, name};
use crate::placement::live::Live;
use crate::placement::run::Run;
use crate::placement::sizes::Sizes;
use crate::random::Random;

/// A service is removed after so many batches.
const REMOVAL: u32 = 10;

/// Everything after the nodes is timed; to `inspect` is to check after every batch.
pub(super) fn run(sizes: &Sizes, inspect: bool) -> Run {
    let mut live = Live::new(basic::nodes(sizes));
    live.solve();
    live.lap();
    let mut churn = Churn { random: Random::new(sizes.seed), oldest: 0, next: sizes.nodes, removed: BTreeSet::new() };
    let mut batches = Batches::new(sizes.split(Sizes::OF_A_SERVICE));
    let mut number = 0;
    while batches.ask(&mut live) {
        live.solve();
        number += 1;
        churn.nodes(&mut live);
        churn.services(&mut live, batches.whole(), number % REMOVAL == 0);
        live.solve();
        if inspect {
            live.check(false);
        }
    }
    let lap = live.lap();
    let mut run = Run::new(&mut live, lap, lap.total(), lap.placed + lap.moved, false);
    run.more = BTreeMap::from([
        ("batches", u64::from(number)),
        ("moved", lap.moved),
        ("removed", lap.removed),
        ("services_removed", churn.removed.len() as u64),
    ]);
    run
}

struct Churn {
    random: Random,
    /// The nodes that are there are those from this number on…
    oldest: u32,
    /// …to before this one.
    next: u32,
    removed: BTreeSet<u32>,
}

impl Churn {
    /// Takes out the node that was lost last time, loses the next one, and adds one like it.
    fn nodes(&mut self, live: &mut Live) {
        if self.oldest > 0 {
            live.remove_host(&name("node", self.oldest - 1));
        }
        if let Some(lost) = live.fleet.hosts.get(&name("node", self.oldest)).cloned() {
            live.set_host(host(self.next, lost.cpu.millis(), lost.memory.get()));
            live.set_host(icefield_placement::Host { acceptance: Acceptance::Lost, ..lost });
            self.oldest += 1;
            self.next += 1;
        }
    }

    /// Scales one of the services that are whole by a tenth up or down, and removes another if `remove`.
    fn services(&mut self, live: &mut Live, whole: &[u32], remove: bool) {
        let standing: Vec<(u32, u32)> =
            (0..).zip(whole.iter().copied()).filter(|(number, _)| !self.removed.contains(number)).collect();
        if standing.is_empty() {
            return;
        }
        let (number, replicas) = *self.random.one_of(&standing);
        let tenth = (replicas / 10).max(1);
        let replicas = *self.random.one_of(&[replicas - tenth.min(replicas - 1), replicas + tenth]);
        let (scaled, demand) = asked(number, replicas);
        live.set_service(&scaled, vec![demand]);
        if remove && standing.len() > 1 {
            let (number, _) = *self.random.one_of(&standing);
            live.set_service(&name("service", number), Vec::new());
            self.removed.insert(number);
        }
    }
}
