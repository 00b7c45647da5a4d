//! Who gives way to whom.

use proptest::prelude::*;

use crate::cases::{fleet, still_fleet};
use crate::checker::{demand_of, gives_way, takes};
use crate::config;
use crate::fleet::name;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn only_lower_priorities_give_way_and_to_what_is_there_then(fleet in fleet()) {
        let solution = fleet.solve();
        let after = fleet.after(&solution);
        for change in solution.changes.iter().filter(|change| gives_way(change)) {
            let words = change.reason.trim_start_matches("gives way to ");
            let winner = name(words.split(',').next().unwrap());
            let priority = demand_of(&fleet, &change.replica).unwrap().priority;
            prop_assert!(fleet.services[&winner].iter().any(|demand| demand.priority > priority), "{change:?}");
            let left = fleet.placement.get(&change.replica).unwrap();
            let mut winners = after.placement.service(winner.as_str()).filter(|(_, at)| at.node == left.node);
            let new = winners.any(|(index, at)| fleet.placement.at(&winner, index).is_none_or(|old| old.node != at.node));
            prop_assert!(new, "{change:?}");
        }
    }

    #[test]
    fn nothing_is_nowhere_for_which_lower_priorities_could_leave_a_node(fleet in still_fleet()) {
        let solution = fleet.solve();
        let after = fleet.after(&solution);
        for unplaced in &solution.unplaced {
            let demand = demand_of(&fleet, &unplaced.replica).unwrap();
            // A service's own rules and a namespace's quota make nobody give way, nor what is near on another node.
            let quota = demand.namespace.as_ref().and_then(|namespace| fleet.quotas.get(namespace));
            let keeps_apart = fleet.services.values().flatten().any(|demand| !demand.rules.keep_from.is_empty());
            if fleet.services[&unplaced.replica.service].len() > 1 || quota.is_some() || keeps_apart {
                continue;
            }
            let priority = demand.priority;
            for node in after.hosts.keys() {
                let mut without = after.clone();
                for (id, at) in after.placement.iter() {
                    if at.node == *node && demand_of(&fleet, &id).is_some_and(|demand| demand.priority < priority) {
                        without.placement.remove(&id);
                    }
                }
                prop_assert!(!takes(&without, &unplaced.replica, node), "{} on {node}", unplaced.replica);
            }
        }
    }
}
