use icefield_placement::{Assignment, Demand, Engine, Host, Objective, ReplicaId, Solution};
use icefield_spec::{Name, Quota};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{assignment, demands, host, namespace, node, objective, quota, replica};
use crate::fleet::{Fleet, name};

/// Something that an engine is told.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    SetHost(Host),
    RemoveHost(Name),
    SetService(Name, Vec<Demand>),
    SetReplica(ReplicaId, Option<Assignment>),
    SetQuota(Name, Option<Quota>),
    SetObjective(Objective),
    /// Its own solution is carried out.
    Accept,
}

impl Step {
    /// Tells `engine`, and does the same to `fleet`. `solution` is what the engine said last.
    pub(crate) fn take(self, engine: &mut Engine, fleet: &mut Fleet, solution: &Solution) {
        match self {
            Self::SetHost(host) => {
                fleet.add_host(host.clone());
                engine.set_host(host);
            }
            Self::RemoveHost(node) => {
                fleet.hosts.remove(&node);
                engine.remove_host(&node);
            }
            Self::SetService(service, demands) => {
                match demands.is_empty() {
                    true => fleet.services.remove(&service),
                    false => fleet.services.insert(service.clone(), demands.clone()),
                };
                engine.set_service(service, demands);
            }
            Self::SetReplica(replica, at) => {
                match at.clone() {
                    Some(at) => fleet.placement.insert(replica.clone(), at),
                    None => fleet.placement.remove(&replica),
                };
                engine.set_replica(replica, at);
            }
            Self::SetQuota(namespace, quota) => {
                match quota.clone() {
                    Some(quota) => fleet.quotas.insert(namespace.clone(), quota),
                    None => fleet.quotas.remove(&namespace),
                };
                engine.set_quota(namespace, quota);
            }
            Self::SetObjective(objective) => {
                fleet.objective = objective.clone();
                engine.set_objective(objective);
            }
            Self::Accept => {
                *fleet = fleet.after(solution);
                engine.accept(&solution.changes);
            }
        }
    }
}

/// What happens to a fleet in the course of time.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let host = (node(), host::host()).prop_map(|(node, host)| host::called(node, host));
    let service = (0..7u8).prop_map(|service| name(&format!("s{service}")));
    let demands = prop_oneof![4 => demands().boxed(), 1 => Just(vec![]).boxed()];
    let step = prop_oneof![
        4 => host.prop_map(Step::SetHost),
        3 => node().prop_map(Step::RemoveHost),
        4 => (service, demands).prop_map(|(service, demands)| Step::SetService(service, demands)),
        4 => (replica(), option::weighted(0.7, assignment())).prop_map(|(id, at)| Step::SetReplica(id, at)),
        1 => (namespace(), option::of(quota())).prop_map(|(namespace, quota)| Step::SetQuota(namespace, quota)),
        1 => objective::objective().prop_map(Step::SetObjective),
        4 => Just(Step::Accept),
    ];
    vec(step, 1..=12)
}
