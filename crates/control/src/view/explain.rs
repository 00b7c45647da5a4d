use icefield_api::{ExplainedReplica, SCHEMA, ServiceExplanation};
use icefield_placement::ReplicaId;
use icefield_spec::Name;

use crate::State;
use crate::reconcile::{Joining, engine};

/// Why each replica of `service` is where it is; `None` if no such service is declared.
pub fn explain(state: &State, service: &Name) -> Option<ServiceExplanation> {
    let declared = state.spec.as_ref()?.services.get(service)?;
    let engine = engine(state, Joining::Absent);
    let replica = |index| {
        let replica = ReplicaId::new(service.clone(), index);
        let decided = state.placed.decision(&replica).map(|decision| decision.reason.clone());
        Some(ExplainedReplica { decided, explanation: engine.explain(&replica)? })
    };
    let replicas = (0..declared.replicas).filter_map(replica).collect();
    Some(ServiceExplanation { schema: SCHEMA, service: service.clone(), replicas })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sample::{Sample, name, spec};

    #[test]
    fn says_why_it_was_decided_and_how_it_stands() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 1)]));
        sample.place("web/0", "n2");
        let explained = explain(&sample.state, &name("web")).unwrap();
        assert_eq!(explained.replicas.len(), 1);
        assert_eq!(explained.replicas[0].decided.as_deref(), Some("new replica"));
        assert_eq!(explained.replicas[0].explanation.assignment.as_ref().unwrap().node, name("n2"));
        assert_eq!(explain(&sample.state, &name("api")), None);
    }
}
