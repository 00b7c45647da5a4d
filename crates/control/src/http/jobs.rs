use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{JobHistory, JobRunAnswer, JobRunRequest, Jobs, RunCause, SCHEMA};

use super::app::{App, name};
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::write::Write;
use crate::state::JobStep;
use crate::{Command, view};

/// The jobs, and how their last runs ended.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Answer<Jobs>, Failure> {
    let read = Read::of(&app, &uri).await?;
    let jobs = view::job_statuses(&read.state);
    Ok(read.answer(Jobs { schema: SCHEMA, jobs, stale: read.stale }))
}

/// A job with its past.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    uri: Uri,
) -> Result<Answer<JobHistory>, Failure> {
    let job = name(&job)?;
    let read = Read::of(&app, &uri).await?;
    let history = view::job_history(&read.state, &job);
    let history = history.ok_or_else(|| Failure::not_found(format!("there is no job {job}")))?;
    Ok(read.answer(JobHistory { stale: read.stale, ..history }))
}

/// Runs a job now.
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    write: Write,
) -> Result<Json<JobRunAnswer>, Failure> {
    let JobRunRequest {} = write.json().await?;
    let job = name(&job)?;
    let absent = || Failure::not_found(format!("there is no job {job}"));
    let prepare = async |state: Arc<crate::State>| {
        let revision = state.jobs.get(&job).ok_or_else(absent)?.revision;
        let step = JobStep::Start { cause: RunCause::Asked, revision, next: None };
        Ok(Command::Job { at: app.clock.now(), job: job.clone(), step })
    };
    app.prepare_change(&write, prepare).await?;
    let run = app.group.state().await.jobs.get(&job).map(|record| record.runs).ok_or_else(absent)?;
    Ok(Json(JobRunAnswer { schema: SCHEMA, run }))
}
