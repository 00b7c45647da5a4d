use console::style;
use icefield_api::{JobAttempt, JobRun, JobStatus, RunOutcome};

use crate::render::Table;
use crate::render::event::time;

/// A line for each job.
pub(crate) fn jobs(jobs: &[JobStatus]) -> String {
    if jobs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["JOB", "STATE", "RUN", "NAMESPACE", "REVISION", "ENDED", "NEXT", "NOTE"]);
    for job in jobs {
        let last = job.run.as_ref().or(job.last.as_ref());
        let note = job.message.clone().or_else(|| last.map(|run| run.message.clone()));
        table.row([
            job.name.to_string(),
            state(job),
            last.map(|run| run.number.to_string()).unwrap_or_default(),
            job.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
            job.revision.short(),
            last.and_then(|run| run.ended).map(moment).unwrap_or_default(),
            job.next.map(moment).unwrap_or_default(),
            note.unwrap_or_default(),
        ]);
    }
    table.render()
}

/// A line for each attempt of each run, newest first.
pub(crate) fn job_runs<'a>(runs: impl Iterator<Item = &'a JobRun>) -> String {
    let mut table = Table::new(["RUN", "CAUSE", "REVISION", "STATE", "ATTEMPT", "NODE", "BEGAN", "TOOK", "NOTE"]);
    for run in runs {
        let cells = |attempt: Option<&JobAttempt>, first: bool| {
            let of_run = |text: String| if first { text } else { String::new() };
            let note = attempt.and_then(|attempt| attempt.message.clone());
            [
                of_run(run.number.to_string()),
                of_run(run.cause.to_string()),
                of_run(run.revision.short()),
                of_run(run.outcome.map_or_else(|| style("under way").yellow().to_string(), outcome)),
                attempt.map(attempt_state).unwrap_or_default(),
                attempt.and_then(|attempt| attempt.node.as_ref()).map(ToString::to_string).unwrap_or_default(),
                attempt.map(|attempt| moment(attempt.began)).unwrap_or_default(),
                attempt.and_then(|attempt| attempt.took).map(|took| took.to_string()).unwrap_or_default(),
                note.unwrap_or_else(|| if attempt.is_none() { run.message.clone() } else { String::new() }),
            ]
        };
        if run.attempts.is_empty() {
            table.row(cells(None, true));
        }
        for (at, attempt) in run.attempts.iter().rev().enumerate() {
            table.row(cells(Some(attempt), at == 0));
        }
    }
    table.render()
}

fn state(job: &JobStatus) -> String {
    match (&job.run, &job.last) {
        (Some(run), _) => style(if run.open().is_some() { "running" } else { "waiting" }).yellow().to_string(),
        (None, Some(last)) => last.outcome.map(outcome).unwrap_or_default(),
        (None, None) => String::new(),
    }
}

fn outcome(outcome: RunOutcome) -> String {
    match outcome {
        RunOutcome::Succeeded => style(outcome).green(),
        RunOutcome::Failed => style(outcome).red(),
        RunOutcome::Stopped => style(outcome).yellow(),
    }
    .to_string()
}

fn attempt_state(attempt: &JobAttempt) -> String {
    let state = attempt.outcome.map_or_else(|| "running".to_owned(), |outcome| outcome.to_string());
    format!("{} {state}", attempt.index)
}

fn moment(millis: u64) -> String {
    time(millis, "%Y-%m-%d %H:%M:%S")
}
