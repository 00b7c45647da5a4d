use icefield_placement::{ChangeKind, Engine, Host, Placement, Solution, driver_of};
use icefield_spec::Spec;

use super::demands::Demands;
use super::objective::objective;
use super::wanted::Wanted;

/// Places every replica of `spec` on a fleet whose nodes are all there and empty: what compilation and a plan without a
/// cluster go by.
pub fn place_offline(spec: &Spec) -> (Solution, Placement) {
    let mut engine = Engine::new();
    for node in spec.fleet() {
        engine.set_host(Host::ready(&node));
    }
    engine.set_objective(objective(spec));
    for (namespace, quota) in &spec.namespaces {
        engine.set_quota(namespace.clone(), Some(quota.clone()));
    }
    let (demands, mut wanted) = (Demands::of(spec), Wanted::default());
    for (name, service) in &spec.services {
        if service.daemon {
            wanted.set(name, engine.daemon_ties(name, &service.rules, driver_of(&service.unit)));
        }
        let indexes = match wanted.nodes(name) {
            Some(nodes) => nodes.keys().copied().collect(),
            None => (0..service.replicas).collect(),
        };
        let demand = demands.demand(service.revision(), &service.unit, service, indexes, wanted.nodes(name));
        engine.set_service(name.clone(), vec![demand]);
    }
    for (name, job) in &spec.jobs {
        let demand = demands.demand(job.revision(), &job.attempt_unit(), &job.as_service(), vec![0], None);
        engine.set_service(name.clone(), vec![demand]);
    }
    let solution = engine.solve();
    let placed = solution.changes.iter().filter_map(|change| match &change.kind {
        ChangeKind::Place { to } | ChangeKind::Move { to, .. } | ChangeKind::Replace { to } => {
            Some((change.replica.clone(), to.clone()))
        }
        ChangeKind::Remove { .. } => None,
    });
    let placement = placed.collect();
    (solution, placement)
}
