//! What an engine answers depends on what it was fed, however it came by it.

use icefield_placement::{Engine, ReplicaId};
use proptest::prelude::*;

use crate::cases::{Step, fleet, steps};
use crate::config;
use crate::fleet::Fleet;

/// Whether `engine` says of `fleet` what one says that was just made.
fn agrees(engine: &mut Engine, fleet: &Fleet) -> Result<(), TestCaseError> {
    let mut fresh = fleet.engine();
    prop_assert_eq!(engine.solve(), fresh.solve());
    for service in fleet.services.keys() {
        prop_assert_eq!(engine.explain_service(service), fresh.explain_service(service));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_feeding_does_not_matter(fleet in fleet(), other in fleet(), turned in any::<bool>()) {
        let mut engine = Engine::new();
        for (name, demands) in &other.services {
            engine.set_service(name.clone(), demands.clone());
        }
        for host in other.hosts.values().rev() {
            engine.set_host(host.clone());
        }
        engine.set_placement(&other.placement);
        engine.set_objective(other.objective.clone());
        for (namespace, quota) in &other.quotas {
            engine.set_quota(namespace.clone(), Some(quota.clone()));
        }
        engine.solve();
        other.hosts.keys().filter(|name| !fleet.hosts.contains_key(*name)).for_each(|name| engine.remove_host(name));
        let mut hosts: Vec<_> = fleet.hosts.values().cloned().collect();
        if turned {
            hosts.reverse();
        }
        hosts.into_iter().for_each(|host| engine.set_host(host));
        for name in other.services.keys() {
            engine.set_service(name.clone(), vec![]);
        }
        for (name, demands) in fleet.services.iter().rev() {
            engine.set_service(name.clone(), demands.clone());
        }
        engine.set_placement(&fleet.placement);
        for namespace in other.quotas.keys() {
            engine.set_quota(namespace.clone(), None);
        }
        for (namespace, quota) in &fleet.quotas {
            engine.set_quota(namespace.clone(), Some(quota.clone()));
        }
        engine.set_objective(fleet.objective.clone());
        agrees(&mut engine, &fleet)?;
    }

    #[test]
    fn an_engine_that_was_fed_changes_answers_like_a_fresh_one(
        mut fleet in fleet(), steps in steps(), often in any::<bool>(),
    ) {
        let mut engine = fleet.engine();
        let mut solution = engine.solve();
        let last = steps.len() - 1;
        for (at, step) in steps.into_iter().enumerate() {
            let accepted = matches!(step, Step::Accept);
            step.take(&mut engine, &mut fleet, &solution);
            if often || at == last {
                agrees(&mut engine, &fleet)?;
            }
            if often || accepted || at % 3 == 0 {
                solution = engine.solve();
            } else {
                // What was not asked for is not known: nothing of it is carried out.
                solution.changes.clear();
            }
        }
    }

    #[test]
    fn one_explanation_is_like_that_of_many(fleet in fleet()) {
        let mut engine = fleet.engine();
        for service in fleet.services.keys() {
            for explanation in engine.explain_service(service) {
                let replica: ReplicaId = explanation.replica.clone();
                prop_assert_eq!(engine.explain(&replica), Some(explanation));
            }
        }
    }

    /// Of the demands of a service, all but the first stand beside its own for a while.
    #[test]
    fn what_comes_to_stand_beside_others_leaves_no_trace(fleet in fleet()) {
        let mut engine = fleet.engine();
        engine.solve();
        let mut accompanied = fleet.clone();
        for (name, demands) in &mut accompanied.services {
            demands.iter_mut().skip(1).for_each(|demand| demand.beside = true);
            engine.set_service(name.clone(), demands.clone());
        }
        agrees(&mut engine, &accompanied)?;
        for (name, demands) in &fleet.services {
            engine.set_service(name.clone(), demands.clone());
        }
        agrees(&mut engine, &fleet)?;
    }
}
