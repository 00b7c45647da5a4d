use std::sync::Arc;

use super::group::Group;
use super::id::ServiceId;
use super::state::State;
use crate::rules::{self, ServiceRules};

/// Makes the rules of a service ready, and of those that its own rules speak of.
pub(crate) fn compile(state: &mut State, service: ServiceId) {
    let before = std::mem::take(&mut state.world.services[service.at()].strangers);
    groups(state, service);
    let after = &state.world.service(service).strangers;
    let others: Vec<ServiceId> = before.iter().chain(after).copied().filter(|other| *other != service).collect();
    for other in others {
        let followers = &mut state.world.services[other.at()].followers;
        followers.retain(|follower| *follower != service);
        if state.world.service(service).strangers.contains(&other) {
            state.world.services[other.at()].followers.push(service);
        }
        // To keep apart takes two: what keeps away from another must be kept away from by it.
        groups(state, other);
        state.agenda.services.insert(other);
    }
}

fn groups(state: &mut State, service: ServiceId) {
    let demands = state.world.service(service).demands.clone();
    let rules = ServiceRules::new(state, service, &demands);
    let made = demands.into_iter().map(|demand| {
        let need = state.world.resources.amounts(demand.cpu, demand.memory, &demand.resources);
        let quota = demand.namespace.as_ref().and_then(|namespace| state.world.quota_called(namespace));
        let mut group = Group::new(service, demand, need, quota);
        group.strangers = rules.strangers();
        rules::compile(state, &mut group, &rules);
        Arc::new(group)
    });
    let made = made.collect();
    let own = &mut state.world.services[service.at()];
    own.groups = made;
    own.strangers = rules.named().to_vec();
}
