use icefield_api::{ExplainedReplica, SCHEMA, ServiceExplanation};
use icefield_placement::Explanation;
use icefield_spec::Name;

use crate::State;
use crate::reconcile::{Joining, engine};

/// Why each replica of `service` is where it is; `None` if no such service is declared.
pub fn explain(state: &State, service: &Name) -> Option<ServiceExplanation> {
    state.spec.as_ref()?.services.get(service)?;
    let replica = |explanation: Explanation| {
        let decided = state.placed.decision(&explanation.replica).map(|decision| decision.reason.clone());
        ExplainedReplica { decided, explanation }
    };
    let replicas = engine(state, Joining::Absent).explain_service(service).into_iter().map(replica).collect();
    Some(ServiceExplanation { schema: SCHEMA, service: service.clone(), replicas, stale: None })
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

    #[test]
    fn says_of_all_replicas_what_it_says_of_each() {
        let mut declared = spec(&["n1", "n2", "n3"], &[("web", "a", 5), ("api", "a", 3)]);
        declared.services.get_mut("web").unwrap().unit.ports.insert(name("http"), icefield_spec::Port::Dynamic);
        let mut sample = Sample::with(&["n1", "n2", "n3"], &declared);
        for (text, node) in [("web/0", "n1"), ("web/1", "n1"), ("web/3", "n2"), ("api/1", "n3")] {
            sample.place(text, node);
        }
        let mut engine = engine(&sample.state, Joining::Absent);
        let all = engine.explain_service(&name("web"));
        assert_eq!(all.len(), 5);
        for explained in all {
            assert_eq!(engine.explain(&explained.replica), Some(explained));
        }
    }
}
