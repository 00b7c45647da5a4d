//! A tenth of the replicas fits nowhere: half of their services is larger than any node, half requires a label that no node
//! has. They stay pending while the others are placed in batches.

use std::collections::BTreeMap;

use icefield_spec::Condition;

use super::basic;
use super::batches::Batches;
use crate::placement::fleet::{name, service};
use crate::placement::live::Live;
use crate::placement::run::Run;
use crate::placement::sizes::{Sizes, split};

/// Everything after the impossible ones were found to be that is timed; to `inspect` is to check after every batch.
pub(super) fn run(sizes: &Sizes, inspect: bool) -> Run {
    let impossible = sizes.replicas / 10;
    let mut fleet = basic::nodes(sizes);
    let cores = fleet.hosts.values().map(|host| host.cpu.millis()).max().unwrap_or(0);
    for (number, replicas) in (0..).zip(split(impossible, Sizes::OF_A_SERVICE / 2, None)) {
        let large = number % 2 == 0;
        let cpu = if large { cores + 5_000 } else { basic::CPU };
        let mut service = service(number, replicas, cpu, basic::MEMORY);
        if !large {
            service.rules.require.insert("disk".into(), Condition::one_of(["none-has-this"]));
        }
        fleet.add_service(name("impossible", number), &service);
    }
    let mut live = Live::new(fleet);
    live.solve();
    live.lap();

    let possible = split(sizes.replicas - impossible, Sizes::OF_A_SERVICE, sizes.services);
    let mut batches = Batches::new(possible);
    let mut number = 0;
    while batches.ask(&mut live) {
        live.solve();
        if inspect {
            live.check(false);
        }
        number += 1;
    }
    let lap = live.lap();
    let mut run = Run::new(&mut live, lap, lap.total(), lap.placed, false);
    run.impossible = u64::from(impossible);
    run.more = BTreeMap::from([("batches", number), ("impossible", u64::from(impossible))]);
    run
}
