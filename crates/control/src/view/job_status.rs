use icefield_api::{JobHistory, JobStatus, SCHEMA};
use icefield_spec::Name;

use crate::State;
use crate::reconcile::run_waits_for;

/// The jobs, by name.
pub fn job_statuses(state: &State) -> Vec<JobStatus> {
    state.jobs.keys().filter_map(|name| job_status(state, name)).collect()
}

/// One job with its past; `None` if there is none of that name.
pub fn job_history(state: &State, name: &Name) -> Option<JobHistory> {
    let job = job_status(state, name)?;
    let runs = state.jobs.get(name)?.history.iter().rev().cloned().collect();
    Some(JobHistory { schema: SCHEMA, job, runs, stale: None })
}

fn job_status(state: &State, name: &Name) -> Option<JobStatus> {
    let record = state.jobs.get(name)?;
    let declared = state.spec.as_ref().and_then(|spec| spec.jobs.get(name));
    Some(JobStatus {
        name: name.clone(),
        revision: record.revision,
        succeeded: record.is_done(),
        namespace: declared.and_then(|job| job.namespace.clone()),
        schedule: declared.and_then(|job| job.schedule.clone()),
        next: record.next,
        message: run_waits_for(state, name),
        run: record.run.clone(),
        last: record.history.back().cloned(),
    })
}
