//! Nodes that are full of replicas of low priority, and then replicas of high priority for which those must give way. The
//! sizes are those of scheduler_perf: of a node that holds four of 900m, one of 3 cores pushes out three.

use std::collections::{BTreeMap, HashMap};

use icefield_placement::Demand;
use icefield_spec::Name;

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
    let low_unplaced = live.unplaced().iter().filter(|unplaced| is_low(&unplaced.replica.service)).count() as u64;
    let high_unplaced = live.unplaced().len() as u64 - low_unplaced;
    let mut run = Run::new(&mut live, lap, lap.total(), u64::from(high) - high_unplaced, false);
    // Low ones that gave way may be nowhere, but not while there is room for them.
    run.impossible = low_unplaced.saturating_sub(room_for_low(&live));
    let spare = u64::from(sizes.nodes) * SPARE_CPU;
    run.more = BTreeMap::from([
        ("high_priority", u64::from(high)),
        ("low_priority_placed_before", before.placed),
        ("preempted", lap.removed),
        ("preempted_at_least", (u64::from(high) * HIGH_CPU).saturating_sub(spare).div_ceil(LOW_CPU)),
    ]);
    run
}

fn is_low(service: &Name) -> bool {
    service.as_str().starts_with("low")
}

/// How many more replicas of low priority would fit; of memory there is enough.
fn room_for_low(live: &Live) -> u64 {
    let mut free: HashMap<&Name, u64> = live.fleet.hosts.values().map(|host| (&host.name, host.cpu.millis())).collect();
    for service in live.placement().services() {
        let cpu = if is_low(service) { LOW_CPU } else { HIGH_CPU };
        for (_, at) in live.placement().service(service.as_str()) {
            free.entry(&at.node).and_modify(|free| *free = free.saturating_sub(cpu));
        }
    }
    free.values().map(|free| free / LOW_CPU).sum()
}
