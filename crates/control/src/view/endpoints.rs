use std::collections::BTreeMap;

use icefield_api::Endpoints;
use icefield_placement::{Assignment, ReplicaId};
use icefield_plan::Endpoint;
use icefield_spec::{Name, Revision};

use crate::State;
use crate::observe::{Observations, is_healthy};

/// Where `service` can be reached: its replicas that serve, but for those that are to take the others' place in one step,
/// and those whose place was taken.
///
/// A replica counts as serving as long as this server has not heard of its node: a new leader must not take away what
/// works because it does not know of it yet.
pub fn endpoints(state: &State, seen: &Observations, service: &Name) -> Endpoints {
    let record = state.services.get(service);
    let serving = state.placed.placement().service(service.as_str()).filter(|(index, assignment)| {
        let is_hidden = record.is_some_and(|record| record.rollout.is_hidden(*index));
        let replica = ReplicaId::new(service.clone(), *index);
        !is_hidden && serves(state, seen, &replica, assignment)
    });
    let endpoint = |(index, assignment): (u32, &Assignment)| {
        let record = state.nodes.get(&assignment.node)?;
        let (node, address) = (assignment.node.clone(), record.address.clone());
        Some(Endpoint { index, node, address, ports: assignment.ports.clone() })
    };
    Endpoints::new(serving.filter_map(endpoint).collect())
}

/// Where each service can be reached: as [`endpoints`] has it.
pub(crate) fn all_endpoints(state: &State, seen: &Observations) -> BTreeMap<Name, Vec<Endpoint>> {
    state.services.keys().map(|service| (service.clone(), endpoints(state, seen, service).endpoints)).collect()
}

/// Whether something was heard of every node that has replicas and is not lost.
pub(crate) fn is_heard_of(state: &State, seen: &Observations) -> bool {
    state.placed.placement().iter().all(|(_, assignment)| {
        let node = assignment.node.as_str();
        seen.sight(node).is_some() || state.nodes.get(node).is_none_or(|record| record.lost)
    })
}

/// The endpoints that are not as an agent knows them: what the answer to its heartbeat tells it.
pub fn changed_endpoints(
    state: &State,
    seen: &Observations,
    known: &BTreeMap<Name, Option<Revision>>,
) -> BTreeMap<Name, Endpoints> {
    let all = known.iter().map(|(service, revision)| (service, revision, endpoints(state, seen, service)));
    let changed = all.filter(|(_, revision, endpoints)| **revision != Some(endpoints.revision));
    changed.map(|(service, _, endpoints)| (service.clone(), endpoints)).collect()
}

fn serves(state: &State, seen: &Observations, replica: &ReplicaId, assignment: &Assignment) -> bool {
    let node = assignment.node.as_str();
    if state.nodes.get(node).is_none_or(|record| record.lost) {
        return false;
    }
    if seen.sight(node).is_none() {
        return true;
    }
    let report = seen.report(node, replica);
    report.is_some_and(|report| is_healthy(report) && report.revision == assignment.revision)
}

#[cfg(test)]
mod tests {
    use icefield_api::ReplicaState;

    use super::*;
    use crate::Command;
    use crate::observe::sample::{heartbeat, report};
    use crate::state::sample::{Sample, name, spec};

    fn indexes(sample: &Sample, seen: &Observations) -> Vec<u32> {
        endpoints(&sample.state, seen, &name("web")).endpoints.iter().map(|endpoint| endpoint.index).collect()
    }

    #[test]
    fn are_of_the_replicas_that_serve() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 3)]));
        for (text, node) in [("web/0", "n1"), ("web/1", "n1"), ("web/2", "n2")] {
            sample.place(text, node);
        }
        let mut seen = Observations::new(0);
        assert_eq!(indexes(&sample, &seen), [0, 1, 2], "a new leader takes nothing away");
        let mut said =
            vec![report("web/0", "a", ReplicaState::Healthy, 0), report("web/1", "a", ReplicaState::Failed, 0)];
        seen.heartbeat(&name("n1"), heartbeat(said.clone()), 1);
        assert_eq!(indexes(&sample, &seen), [0, 2]);
        sample.done(Command::Lease { at: 0, node: name("n2"), lost: true, reason: String::new() });
        assert_eq!(indexes(&sample, &seen), [0]);
        said[0] = report("web/0", "b", ReplicaState::Healthy, 0);
        seen.heartbeat(&name("n1"), heartbeat(said), 2);
        assert_eq!(indexes(&sample, &seen), [0_u32; 0], "what is of another revision is about to go");
    }

    #[test]
    fn an_agent_is_told_what_it_does_not_know() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
        sample.place("web/0", "n1");
        let seen = Observations::new(0);
        let known = BTreeMap::from([(name("web"), None), (name("gone"), None)]);
        let told = changed_endpoints(&sample.state, &seen, &known);
        assert_eq!(told["web"].endpoints.len(), 1);
        assert!(told["gone"].endpoints.is_empty());
        let known = told.into_iter().map(|(service, endpoints)| (service, Some(endpoints.revision))).collect();
        assert!(changed_endpoints(&sample.state, &seen, &known).is_empty());
    }
}
