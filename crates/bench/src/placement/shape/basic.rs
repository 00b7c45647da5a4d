//! Services that need CPU and memory and nothing else, on nodes that are all alike.

use crate::placement::fleet::{Fleet, host, name, service};
use crate::placement::sizes::Sizes;

/// What a replica needs in scheduler_perf: a tenth of a core.
pub(super) const CPU: u64 = 100;
/// And 500 MiB.
pub(super) const MEMORY: u64 = 500 << 20;

/// Alike services on alike nodes.
pub(super) fn fleet(sizes: &Sizes) -> Fleet {
    let mut fleet = nodes(sizes);
    for (number, replicas) in (0..).zip(sizes.split(Sizes::OF_A_SERVICE)) {
        fleet.add_service(name("service", number), &service(number, replicas, CPU, MEMORY));
    }
    fleet
}

/// The nodes of scheduler_perf, 4 cores and 32 GiB each; or larger ones where those would be more than half full.
pub(super) fn nodes(sizes: &Sizes) -> Fleet {
    let each = u64::from(sizes.replicas.div_ceil(sizes.nodes));
    let (cpu, memory) = ((2 * each * CPU).max(4_000), (2 * each * MEMORY).max(32 << 30));
    let mut fleet = Fleet::default();
    for number in 0..sizes.nodes {
        fleet.add_host(host(number, cpu, memory));
    }
    fleet
}
