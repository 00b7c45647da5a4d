//! Services by fives: one in a zone of its own choice; one that must be in the first one's zone; one that must not be in
//! that zone; one whose replicas are on different nodes; and one that must not be on the nodes of that one.

use icefield_spec::{Company, Condition, Service};

use super::basic;
use crate::placement::fleet::{Fleet, name, service, zone};
use crate::placement::sizes::Sizes;

/// All five kinds in turn.
pub(super) fn fleet(sizes: &Sizes) -> Fleet {
    let mut fleet = basic::nodes(sizes);
    for (number, replicas) in (0..).zip(sizes.split_apart()) {
        let mut service = service(number, replicas, basic::CPU, basic::MEMORY);
        rule(number, &mut service);
        fleet.add_service(name("service", number), &service);
    }
    fleet
}

fn rule(number: u32, service: &mut Service) {
    let near =
        |before: u32, label: &str| vec![Company { service: name("service", number - before), label: label.into() }];
    let rules = &mut service.rules;
    match number % 5 {
        0 => drop(rules.require.insert("zone".into(), Condition::one_of([zone(number / 5)]))),
        1 => rules.keep_with = near(1, "zone"),
        2 => rules.keep_from = near(2, "zone"),
        3 => rules.keep_from = near(0, "node"),
        _ => rules.keep_from = near(1, "node"),
    }
}
