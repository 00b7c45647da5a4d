//! Services with one replica on each node; as many of them as it takes for the number of replicas.

use icefield_placement::Demand;

use super::basic;
use crate::placement::fleet::{name, service};
use crate::placement::live::Live;
use crate::placement::run::Run;
use crate::placement::sizes::Sizes;

/// Everything after the nodes is timed.
pub(super) fn run(sizes: &Sizes) -> Run {
    let services = sizes.services.unwrap_or_else(|| sizes.replicas.div_ceil(sizes.nodes));
    let sizes = Sizes { replicas: services.saturating_mul(sizes.nodes), ..*sizes };
    let mut live = Live::new(basic::nodes(&sizes));
    live.solve();
    live.lap();
    for number in 0..services {
        let mut service = service(number, 0, basic::CPU, basic::MEMORY);
        service.daemon = true;
        live.set_daemon(&name("daemon", number), Demand::whole(&service));
    }
    live.solve();
    let lap = live.lap();
    Run::new(&mut live, lap, lap.feed + lap.solve, lap.placed, true)
}
