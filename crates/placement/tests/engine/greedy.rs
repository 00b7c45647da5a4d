//! What the simplest of all ways places, the engine places too.

use std::collections::BTreeSet;

use icefield_placement::{Assignment, Placement, ReplicaId};
use icefield_spec::Name;
use proptest::prelude::*;

use crate::cases::still_fleet;
use crate::checker::{demand_of, free_ports, takes};
use crate::config;
use crate::fleet::Fleet;

/// The services that are placed in whole if each replica, by name, goes to the first node by name that takes it.
fn placed_greedily(mut fleet: Fleet) -> BTreeSet<Name> {
    let mut whole = BTreeSet::new();
    for (service, demands) in fleet.services.clone() {
        let indexes: BTreeSet<u32> = demands.iter().flat_map(|demand| demand.indexes.clone()).collect();
        let mut all = true;
        for replica in indexes.into_iter().map(|index| ReplicaId::new(service.clone(), index)) {
            let node = fleet.hosts.keys().find(|node| takes(&fleet, &replica, node)).cloned();
            let demand = demand_of(&fleet, &replica).unwrap();
            let at = node.and_then(|node| {
                let host = &fleet.hosts[&node];
                let ports = free_ports(&fleet.placement, demand, &node, host.ports.first()..=host.ports.last())?;
                Some(Assignment { node, revision: demand.revision, ports })
            });
            match at {
                Some(at) => drop(fleet.placement.insert(replica, at)),
                None => all = false,
            }
        }
        if all {
            whole.insert(service);
        }
    }
    whole
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_is_placed_that_first_fit_places(mut fleet in still_fleet()) {
        fleet.placement = Placement::default();
        fleet.services.values_mut().flatten().for_each(|demand| demand.priority = 0);
        // What does not come out whole goes, until nothing has to: the rest can be placed.
        loop {
            let whole = placed_greedily(fleet.clone());
            let before = fleet.services.len();
            fleet.services.retain(|service, _| whole.contains(service));
            if fleet.services.len() == before {
                break;
            }
        }
        prop_assert_eq!(fleet.solve().unplaced, vec![]);
    }
}
