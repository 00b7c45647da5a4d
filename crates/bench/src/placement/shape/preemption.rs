//! Nodes that are full of replicas of low priority, and then replicas of high priority for which those must give way. The
//! sizes are those of scheduler_perf: of a node that holds four of 900m, one of 3 cores pushes out three.

use std::collections::BTreeMap;

use icefield_placement::Demand;

use crate::placement::fleet::{Fleet, host, name, service};
use crate::placement::live::Live;
use crate::placement::run::Run;
use crate::placement::sizes::{Sizes, split};

const LOW_CPU: u64 = 900;
const HIGH_CPU: u64 = 3_000;
/// What is left of a node's CPU beside the low ones.
const SPARE_CPU: u64 = 400;
const MEMORY: u64 = 500 << 20;

/// A fifth of the replicas is of high priority; the others, and as many more as it takes, fill the nodes.
pub(super) fn run(sizes: &Sizes) -> Run {
    let high = (sizes.replicas / 5).max(1);
    let low_each = (sizes.replicas - high).div_ceil(sizes.nodes).max(4);
    let mut fleet = Fleet::default();
    for number in 0..sizes.nodes {
        let cpu = u64::from(low_each) * LOW_CPU + SPARE_CPU;
        fleet.add_host(host(number, cpu, u64::from(low_each) * 2 * MEMORY));
    }
    let low = split(low_each.saturating_mul(sizes.nodes), Sizes::OF_A_SERVICE, sizes.services);
    for (number, replicas) in (0..).zip(low) {
        fleet.add_service(name("low", number), &service(number, replicas, LOW_CPU, MEMORY));
    }
    let mut live = Live::new(fleet);
    live.solve();
    let before = live.lap();

    for (number, replicas) in (0..).zip(split(high, Sizes::OF_A_SERVICE, sizes.services)) {
        let mut service = service(number, replicas, HIGH_CPU, MEMORY);
        service.priority = 10;
        live.set_service(&name("high", number), vec![Demand::whole(&service)]);
    }
    live.solve();
    let lap = live.lap();
    let missing =
        live.unplaced().iter().filter(|unplaced| unplaced.replica.service.as_str().starts_with("high")).count();
    let placed = u64::from(high) - missing as u64;
    let mut run = Run::new(&live, lap, lap.total(), placed, false);
    // Low ones that gave way are nowhere, and rightly so; high ones never are.
    run.impossible = run.unplaced - missing as u64;
    let spare = u64::from(sizes.nodes) * SPARE_CPU;
    run.more = BTreeMap::from([
        ("low_priority_placed_before", before.placed),
        ("preempted", lap.removed),
        ("preempted_at_least", (u64::from(high) * HIGH_CPU).saturating_sub(spare).div_ceil(LOW_CPU)),
    ]);
    run
}
