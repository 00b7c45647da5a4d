//! Services that are spread over three zones with a skew of at most one (scheduler_perf allows five), and evenly over
//! nodes.

use icefield_spec::Spread;

use super::basic;
use crate::placement::fleet::{Fleet, name, service};
use crate::placement::sizes::Sizes;

/// Alike services, all of them spread.
pub(super) fn fleet(sizes: &Sizes) -> Fleet {
    let mut fleet = basic::nodes(sizes);
    for (number, replicas) in (0..).zip(sizes.split(Sizes::OF_A_SERVICE)) {
        let mut service = service(number, replicas, basic::CPU, basic::MEMORY);
        let zones = Spread { max_skew: Some(1), ..Spread::over("zone") };
        service.rules.spread = vec![zones, Spread::over("node")];
        fleet.add_service(name("service", number), &service);
    }
    fleet
}
