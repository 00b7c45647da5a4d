//! A job never runs twice at once, and a revision that has succeeded does not run again.

use std::collections::BTreeMap;

use icefield_api::{AttemptOutcome, RunCause, RunOutcome};
use icefield_control::State;
use icefield_placement::ReplicaId;
use icefield_spec::Name;

pub(crate) const NAME: &str = "a job runs once";

/// Whether no job runs twice, nor after it has succeeded; `running` is which attempts run where.
pub(crate) fn check_running(running: &[(Name, ReplicaId)], state: &State) -> Result<(), String> {
    let mut jobs: BTreeMap<&Name, (&Name, &ReplicaId)> = BTreeMap::new();
    for (node, replica) in running {
        if let Some((other_node, other)) = jobs.insert(&replica.service, (node, replica)) {
            return Err(format!("{other} runs on {other_node} while {replica} runs on {node}"));
        }
        let Some(record) = state.jobs.get(&replica.service) else { continue };
        let mut attempts = record.history.iter().chain(&record.run).flat_map(|run| &run.attempts);
        let own = attempts.find(|attempt| attempt.index == replica.index);
        if own.is_some_and(|attempt| attempt.outcome == Some(AttemptOutcome::Succeeded)) {
            return Err(format!("{replica} runs on {node} though it has succeeded"));
        }
    }
    Ok(())
}

/// Whether what `state` knows of past runs is as it may be. Nobody asks for a run here, so each has a revision that was
/// declared since the run before.
pub(crate) fn check_past(state: &State) -> Result<(), String> {
    for (name, record) in &state.jobs {
        let runs: Vec<_> = record.history.iter().chain(&record.run).collect();
        for pair in runs.windows(2) {
            let again = pair[0].revision == pair[1].revision && pair[1].cause == RunCause::Declared;
            if again && pair[0].outcome == Some(RunOutcome::Succeeded) {
                let (first, second) = (pair[0].number, pair[1].number);
                return Err(format!("run {second} of {name} is of the revision that run {first} succeeded with"));
            }
        }
        for run in runs {
            let mut before = run.attempts.iter().rev().skip(1);
            if before.any(|attempt| matches!(attempt.outcome, None | Some(AttemptOutcome::Succeeded))) {
                return Err(format!("run {} of {name} made an attempt too many", run.number));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_job_that_runs_twice_at_once() {
        let name = |text: &str| Name::new(text).unwrap();
        let on = |node: &str, replica: &str| (name(node), replica.parse::<ReplicaId>().unwrap());
        let check = |running: &[(Name, ReplicaId)]| check_running(running, &State::default());
        assert_eq!(check(&[on("n1", "a/1"), on("n2", "b/2")]), Ok(()));
        assert!(check(&[on("n1", "a/1"), on("n2", "a/2")]).is_err());
    }
}
